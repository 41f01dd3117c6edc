"""A file lock for each GPU, common to all users of the machine.

The table in Redis is the first guard. This is the second one: it holds between agents of different users,
namespaces and servers on one machine. A lock lives as long as a process has it open: the agent takes it and
hands a copy to the supervisor, so it outlives either of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

_FOLDERS = (Path("/run/lock"), Path("/var/lock"))


def lock_folder() -> Path:
    """Where the locks lie: ``$CLEARQ_GPU_LOCKS``, else a folder of the machine that every user may write to."""
    if named := os.environ.get("CLEARQ_GPU_LOCKS"):
        return Path(named)
    for folder in _FOLDERS:
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.gettempdir())


class GpuLocks:
    """The locks of some GPUs, held until closed."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        self.descriptors = tuple(descriptors)

    @classmethod
    def take(cls, uuids: Sequence[str], folder: Path | None = None) -> GpuLocks | None:
        """All of them, or ``None`` when somebody else holds one. Raises OSError when no file can be made."""
        held: list[int] = []
        try:
            for uuid in sorted(uuids):
                held.append(_open(_path(uuid, folder or lock_folder())))
                fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _close(held)
            return None
        except BaseException:
            _close(held)
            raise
        return cls(held)

    def close(self) -> None:
        """Let go of our copy; a supervisor's copy goes on holding."""
        descriptors, self.descriptors = self.descriptors, ()
        _close(descriptors)


def is_locked(uuid: str, folder: Path | None = None) -> bool:
    """Does somebody hold that card's lock now?"""
    locks = GpuLocks.take([uuid], folder)
    if locks is None:
        return True
    locks.close()
    return False


def _path(uuid: str, folder: Path) -> Path:
    return folder / f"clearq-gpu-{re.sub(r'[^A-Za-z0-9-]', '_', uuid)}.lock"


def _open(path: Path) -> int:
    """Open the lock file of another user, or make our own: never follow a link, never write into it."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, flags)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
        os.fchmod(descriptor, 0o644)  # whatever the umask: others must be able to open it
        return descriptor
    return os.open(path, flags)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
