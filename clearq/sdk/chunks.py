"""Artifacts of a remote server without ``CLEARQ_ARTIFACTS_URL``: in Redis itself, 32 MB a task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clearq.artifacts import Stored
from clearq.artifacts.cache import DownloadCache
from clearq.artifacts.naming import file_part
from clearq.errors import ArtifactError, ArtifactFull
from clearq.models.ids import nonce
from clearq.sdk.connection import Connection

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.engine.blobs import Blob

_SCHEME = "clearq:"


@dataclass(frozen=True)
class ChunkStore:
    """The part of :class:`~clearq.artifacts.ArtifactStore` that ``Task`` needs, on the process's connection."""

    connection: Connection
    cache: DownloadCache

    @staticmethod
    def holds(url: str) -> bool:
        """Is it an address of such an artifact?"""
        return url.startswith(_SCHEME)

    def put(self, source: Path, task_id: str, name: str) -> Stored:
        """Store a file as artifact ``name``; an older one of that name goes. Raises ArtifactFull, StorageError."""
        from clearq.engine.blobs import TASK_BYTES, Blob, full

        size = source.stat().st_size
        if size > TASK_BYTES:
            raise full(size)
        data, blob = source.read_bytes(), Blob(task_id, f"artifact.{nonce()}")

        async def store(engine: Engine) -> None:
            await engine.blobs.expect([blob])
            older = (await engine.artifacts.list(task_id)).get(name)
            old = None if older is None or not self.holds(older.url) else _blob(older.url)
            try:
                await engine.blobs.put(blob, data)
            except ArtifactFull:
                if old is None:
                    raise
                await engine.blobs.drop(old)  # it is to be replaced anyway
                await engine.blobs.expect([blob])
                await engine.blobs.put(blob, data)
            if old is not None:
                await engine.blobs.drop(old)

        self.connection.call(store)
        url = f"{_SCHEME}{task_id}/{blob.name}/{file_part(source.name)}"
        return Stored(url, hashlib.sha256(data).hexdigest(), size)

    def get(self, url: str, *, hash: str = "") -> Path:
        """A local copy. Raises ArtifactMissing; ArtifactError when it has been changed."""

        def download(target: Path) -> str:
            blob = _blob(url)
            data = self.connection.call(lambda engine: engine.blobs.get(blob))
            target.write_bytes(data)
            return hashlib.sha256(data).hexdigest()

        return self.cache.get(url, hash, download)

    def delete(self, url: str) -> bool:
        """Remove it; true."""
        blob = _blob(url)
        self.cache.forget(url)
        self.connection.call(lambda engine: engine.blobs.drop(blob))
        return True


def _blob(url: str) -> Blob:
    from clearq.engine.blobs import Blob

    parts = url.removeprefix(_SCHEME).split("/")
    if len(parts) != 3:
        raise ArtifactError(f"{url} is no address of an artifact.")
    return Blob(parts[0], parts[1])
