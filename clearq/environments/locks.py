"""Locks between processes of one host: files that the kernel unlocks when their holder dies."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

#: Seconds between two looks at a lock that somebody else holds.
_LOOK = 0.05


class FileLock:
    """One ``flock`` on one file, shared or exclusive; also a context manager that lets go at its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take it now, or change the kind held; False when somebody else holds it.

        A change of kind that is refused lets go of the old kind as well.
        """
        kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        while True:
            if self._fd is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._fd, kind)
            except BlockingIOError:
                self.close()
                return False
            if self._is_current():
                return True
            self.close()  # it was removed between open and lock: take the new file's lock

    async def acquire(self, *, shared: bool = False) -> None:
        """Wait until it can be taken."""
        while not self.try_acquire(shared=shared):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)  # the kernel has no lock that an event loop can await

    def remove(self) -> None:
        """Delete the file; only for who holds it exclusively. Those who wait notice and make a new one."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go. Harmless when nothing is held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _is_current(self) -> bool:
        assert self._fd is not None  # noqa: S101
        try:
            there = os.stat(self.path)  # noqa: PTH116
        except FileNotFoundError:
            return False
        mine = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
