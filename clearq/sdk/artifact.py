"""One artifact as it was recorded, and reading it back from wherever it lies."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clearq.artifacts import ArtifactStore, has_store, store_for
from clearq.artifacts.cache import DownloadCache
from clearq.errors import ArtifactError
from clearq.models import ArtifactInfo
from clearq.sdk.chunks import ChunkStore
from clearq.sdk.connection import connection
from clearq.sdk.serialize import unpack


class Artifact:
    """An artifact's entry; :meth:`get` reads it."""

    def __init__(self, info: ArtifactInfo) -> None:
        self._info = info

    @property
    def name(self) -> str:
        """Its name within the task."""
        return self._info.name

    @property
    def url(self) -> str:
        """Where the file lies."""
        return self._info.url

    @property
    def type(self) -> str:
        """What it is: json, string, numpy, pandas, image, pickle, file, folder, custom, url."""
        return self._info.type

    @property
    def size(self) -> int:
        """Bytes."""
        return self._info.size

    @property
    def hash(self) -> str:
        """sha256, hex."""
        return self._info.hash

    @property
    def preview(self) -> str:
        """Its beginning as text."""
        return self._info.preview

    @property
    def metadata(self) -> dict[str, str]:
        """What was said about it."""
        return dict(self._info.metadata)

    @property
    def timestamp(self) -> float | None:
        """Seconds since the epoch when it was stored."""
        return self._info.at

    def get_local_copy(
        self, extract_archive: bool = True, raise_on_error: bool = False, force_download: bool = False
    ) -> str | None:
        """Path of the file on this host; of the unpacked folder for a folder.

        Raises :class:`~clearq.errors.ArtifactError` with ``raise_on_error``, else gives ``None``.
        """
        try:
            path = store_of(self.url).get(self.url, hash=self.hash)
            return str(_unzipped(path, self.hash) if self.type == "folder" and extract_archive else path)
        except ArtifactError:
            if raise_on_error:
                raise
            return None

    def get(
        self,
        force_download: bool = False,
        deserialization_function: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """The object that was uploaded; a path for files and folders. Raises ArtifactError.

        A pickle runs code of whoever stored it: read only artifacts of tasks that you trust.
        """
        path = Path(self.get_local_copy(raise_on_error=True) or "")
        if deserialization_function is not None:
            return deserialization_function(path.read_bytes())
        return unpack(path, self.type)

    def __repr__(self) -> str:
        return f"Artifact(name={self.name!r}, type={self.type!r}, url={self.url!r})"


def store_of(url: str) -> ArtifactStore | ChunkStore:
    """Redis for what lies there, else the store of the settings, or for a file elsewhere one that can only read."""
    settings = connection().settings
    if ChunkStore.holds(url):
        return chunks()
    if has_store(settings):
        return store_for(settings)
    return ArtifactStore(str(settings.home / "artifacts"), DownloadCache(settings.home / "downloads"))


def chunks() -> ChunkStore:
    """What lies in Redis itself."""
    open_connection = connection()
    return ChunkStore(open_connection, DownloadCache(open_connection.settings.home / "downloads"))


def _unzipped(path: Path, digest: str) -> Path:
    folder = connection().settings.home / "downloads" / f"folder-{digest[:32]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent))
        shutil.unpack_archive(path, partial, "zip")
        try:
            partial.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(partial, ignore_errors=True)
    return folder
