"""Put files into the artifact store and get them back.

All calls block, as fsspec does: from a coroutine use ``asyncio.to_thread``.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clearq.artifacts.cache import DownloadCache
from clearq.artifacts.naming import as_url, file_part, local_file, part, public
from clearq.errors import ArtifactError, ArtifactMissing
from clearq.models import ArtifactInfo
from clearq.settings import Settings
from clearq.telemetry import mask_secrets

#: Bytes read and written at once.
CHUNK = 4 * 1024 * 1024

#: How files end that are not whole yet.
PARTIAL = ".partial"

#: Extras that bring the storage driver of an address.
_EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}


@dataclass(frozen=True)
class Stored:
    """A file in the store."""

    url: str  #: without credentials
    hash: str  #: sha256, hex
    size: int  #: bytes


@dataclass(frozen=True)
class ArtifactStore:
    """Files below ``root``, a folder or an fsspec address: ``<root>/<task id>/<artifact>/<file>``."""

    root: str
    cache: DownloadCache

    @property
    def url(self) -> str:
        """The root as it may be shown."""
        return public(as_url(self.root))

    def put(self, source: Path | bytes, task_id: str, name: str, *, file_name: str = "") -> Stored:
        """Store a file (or bytes) as artifact ``name`` of a task; an older one of the same file name is replaced.

        ``file_name`` defaults to the source's, and to the artifact's name for bytes. A reader never sees half
        a file in a folder. Raises ArtifactError.
        """
        address = self._place(task_id, name, file_name or (source.name if isinstance(source, Path) else name))
        target = local_file(address)
        failed = f"Artifact {name[:200]!r} could not be stored in {self.url}"
        with _told(failed, address), _reading(source) as stream:
            found = _write_remote(stream, address) if target is None else _write_file(stream, target)
        return Stored(public(address), *found)

    def _place(self, task_id: str, name: str, file_name: str) -> str:
        return f"{as_url(self.root)}/{part(task_id)}/{part(name)}/{file_part(file_name)}"

    def read(self, task_id: str, name: str, file_name: str) -> bytes:
        """The whole of what :meth:`put` stored under these names. Raises ArtifactMissing, ArtifactError."""
        address = self._place(task_id, name, file_name)
        with _told(f"{public(address)} could not be read", address):
            system, path = _system(address)
            try:
                with system.open(path, "rb") as stream:
                    found: bytes = stream.read()
            except FileNotFoundError as error:
                raise ArtifactMissing(f"{public(address)} is not there (any more).") from error
            return found

    def remove(self, task_id: str, name: str, file_name: str) -> bool:
        """Delete what :meth:`put` stored under these names, and what one that was killed has left of it; False when
        there was nothing. Nobody may be storing under these names now. Raises ArtifactError.
        """
        address = self._place(task_id, name, file_name)
        target, halves = local_file(address), 0
        if target is not None:
            with _told(f"{public(address)} could not be deleted", address):
                for partial in target.parent.glob(f".*{PARTIAL}"):
                    partial.unlink(missing_ok=True)
                    halves += 1
                if halves:
                    _remove_empty(target, local_file(as_url(self.root)))
        return self.delete(public(address)) or halves > 0

    def get(self, url: str, *, hash: str = "") -> Path:
        """A local path of the file: itself when it lies in a folder of this host, else a cached download.

        With ``hash`` (sha256, hex) a download that does not match is refused. Raises ArtifactError.
        """
        with _told(f"{public(url)} could not be read", url):
            found = local_file(url)
            if found is not None:
                if not found.is_file():
                    raise ArtifactError(_not_here(url))
                return found
            return self.cache.get(public(url), hash, lambda target: _download(self._address(url), target))

    def delete(self, url: str) -> bool:
        """Remove one file; False when there was none. Raises ArtifactError for a file outside the store."""
        if not self.holds(url):
            raise ArtifactError(f"{public(url)} is not in the artifact store {self.url}: delete it by hand.")
        address = self._address(url)
        with _told(f"{public(url)} could not be deleted", url):
            self.cache.forget(public(url))
            system, path = _system(address)
            if not system.exists(path):
                return False
            system.rm(path)
            _remove_empty(local_file(address), local_file(as_url(self.root)))
            return True

    def delete_task(self, task_id: str) -> bool:
        """Remove all files of a task; False when there were none."""
        address = f"{as_url(self.root)}/{part(task_id)}"
        with _told(f"The artifacts of task {task_id} could not be deleted", address):
            system, path = _system(address)
            if not system.exists(path):
                return False
            system.rm(path, recursive=True)
            return True

    def holds(self, url: str) -> bool:
        """Does the address lie below this store's root? (Only then its content is of our own making.)"""
        below = public(url).removeprefix(f"{self.url}/")
        return below != public(url) and not any(step in (".", "..") for step in below.split("/"))

    def _address(self, url: str) -> str:
        """The address with the root's own credentials, where it lies below the root."""
        return as_url(self.root) + public(url).removeprefix(self.url) if self.holds(url) else url


def has_store(settings: Settings) -> bool:
    """Is there a place for artifacts outside Redis?"""
    return bool(settings.artifacts_url) or settings.embedded


def store_for(settings: Settings) -> ArtifactStore:
    """The store that the settings name; the embedded server's is ``<home>/artifacts``.

    Raises ArtifactError for a remote server without one: its hosts share no folder.
    """
    cache = DownloadCache(settings.home / "downloads")
    if settings.artifacts_url:
        return ArtifactStore(settings.artifacts_url, cache)
    if settings.embedded:
        return ArtifactStore(str(settings.home / "artifacts"), cache)
    raise ArtifactError(
        "No place for artifacts is set: set CLEARQ_ARTIFACTS_URL to storage that all hosts share,"
        " such as s3://bucket/path or a mounted folder."
    )


async def fetch(artifact: ArtifactInfo, target: Path) -> Path:
    """Copy an artifact's file to ``target``. Raises ArtifactError."""
    await asyncio.to_thread(_fetch, artifact.url, target)
    return target


def _fetch(url: str, target: Path) -> None:
    with _told(f"{public(url)} could not be read", url):
        found = local_file(url)
        if found is not None and not found.is_file():
            raise ArtifactError(_not_here(url))
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(url, target)


def _not_here(url: str) -> str:
    return (
        f"{url} is not on this host. If it was stored on another one, set CLEARQ_ARTIFACTS_URL there to storage"
        " that all hosts share."
    )


def _system(address: str) -> tuple[Any, str]:
    """The fsspec file system and the path in it."""
    import fsspec.core  # here: it takes longer to load than all of clearq

    path = local_file(address)
    return fsspec.core.url_to_fs(address if path is None else str(path))  # type: ignore[no-any-return]


@contextmanager
def _reading(source: Path | bytes) -> Iterator[IO[bytes]]:
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as stream:
        yield stream


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    return digest.hexdigest(), size


def _write_file(stream: IO[bytes], target: Path) -> tuple[str, int]:
    """Under another name first: a reader never sees half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{uuid.uuid4().hex}{PARTIAL}")
    try:
        with partial.open("xb") as file:
            found = _copy(stream, file)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return found


def _write_remote(stream: IO[bytes], address: str) -> tuple[str, int]:
    system, path = _system(address)
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    with system.open(path, "wb") as target:
        return _copy(stream, target)


def _download(address: str, target: Path) -> str:
    """Copy to ``target``; the hash of what came."""
    system, path = _system(address)
    with system.open(path, "rb") as source, target.open("wb") as file:
        return _copy(source, file)[0]


def _remove_empty(path: Path | None, root: Path | None) -> None:
    """The folders that a deleted file leaves empty."""
    while path is not None and root is not None and root in path.parent.parents:
        path = path.parent
        try:
            path.rmdir()
        except OSError:
            return


@contextmanager
def _told(failed: str, address: str) -> Iterator[None]:
    """Any failure as one sentence."""
    try:
        yield
    except ArtifactError:
        raise
    except ImportError as error:
        extra = _EXTRAS.get(address.partition(":")[0])
        advice = f"pip install 'clearq[{extra}]'" if extra else f"install what it needs ({error})"
        raise ArtifactError(f"{failed}: its storage driver is missing, {advice}.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArtifactError(f"{failed}: the disk is full, free some space and try again.") from error
        raise ArtifactError(f"{failed}: {_cause(error)}.") from error
    except Exception as error:  # drivers raise errors of their own; this is where they end
        raise ArtifactError(f"{failed}: {_cause(error)}.") from error


def _cause(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return mask_secrets(" ".join(str(text).split())).rstrip(".")[:500]
