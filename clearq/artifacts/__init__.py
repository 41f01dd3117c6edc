"""Files that tasks leave behind, in a folder or any storage that fsspec knows (``CLEARQ_ARTIFACTS_URL``)."""

from __future__ import annotations

from clearq.artifacts.store import ArtifactStore, Stored, fetch, has_store, store_for

__all__ = ["ArtifactStore", "Stored", "fetch", "has_store", "store_for"]
