"""Downloads kept on this host, the least used removed first."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clearq.artifacts.naming import file_part
from clearq.errors import ArtifactError


@dataclass(frozen=True)
class DownloadCache:
    """Files below ``folder``, ``cap`` bytes in all; the newest one stays however large it is."""

    folder: Path
    cap: int = 10 * 1024**3

    def get(self, url: str, hash: str, download: Callable[[Path], str]) -> Path:
        """The cached file, else what ``download(target)`` writes; it returns the hash of what came.

        Without ``hash`` the file may have changed at its source, so it is downloaded each time. Raises
        ArtifactError when ``hash`` is given and another came.
        """
        target = self._place(url, hash)
        if hash and target.is_file():
            os.utime(target)
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".partial", dir=target.parent)
        os.close(handle)
        partial = Path(name)
        try:
            came = download(partial)
            if hash and came != hash:
                raise ArtifactError(f"{url} is not what was stored: its content has changed. Store it again.")
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        self._shrink(keep=target)
        return target

    def forget(self, url: str) -> None:
        """Remove what was downloaded from there."""
        folder = self._place(url, "").parent
        for path in folder.glob("*") if folder.is_dir() else ():
            path.unlink(missing_ok=True)

    def _place(self, url: str, hash: str) -> Path:
        key = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self.folder / key / f"{hash[:16] or 'newest'}-{file_part(url.rpartition('/')[2])}"

    def _shrink(self, keep: Path) -> None:
        found = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):  # another process shrinks as well
                if path != keep:
                    found.append((path, path.stat()))
        found.sort(key=lambda entry: entry[1].st_mtime)
        total = sum(seen.st_size for _, seen in found) + keep.stat().st_size
        for path, seen in found:
            if total <= self.cap:
                return
            path.unlink(missing_ok=True)
            total -= seen.st_size
            with contextlib.suppress(OSError):
                path.parent.rmdir()
