"""Whether attempts can be written down on this host. While they cannot, its agent takes no tasks: other hosts do."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clearq.clock import MonotonicClock, boottime

log = logging.getLogger("clearq.agent")

#: Bytes that must be free for a task to be claimed: its description and its first output.
LEAST = 1 << 20

#: Seconds from one look at a home that cannot be used to the next, at first and at most.
FIRST, MOST = 1.0, 30.0


def unusable(folder: Path) -> str:
    """Why nothing can be written below ``folder`` (it need not exist yet); empty when it can. Leaves no trace."""
    existing = folder
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not existing.is_dir():
            return f"{existing} is not a folder"
        with tempfile.TemporaryFile(dir=existing, buffering=0) as probe:
            if (written := probe.write(bytes(LEAST))) < LEAST:
                return f"{existing}: no space left ({written} bytes)"
    except OSError as error:
        return f"{existing}: {error.strerror or error}"
    return ""


@dataclass
class Home:
    """The folder of attempts. ``trouble`` says why it cannot be used at the moment."""

    folder: Path
    clock: MonotonicClock = boottime
    trouble: str = ""
    _again: float = 0.0  # when to look at it next
    _pause: float = FIRST

    async def usable(self) -> bool:
        """May a task be claimed? Costs microseconds while all is well."""
        if not self.trouble and self._has_room():
            return True
        if self.trouble and self.clock() < self._again:
            return False
        if found := await asyncio.to_thread(unusable, self.folder):
            self.blocked(found)
            return False
        log.info("tasks can be started again")
        self.trouble = ""
        return True

    def blocked(self, why: str) -> None:
        """An attempt could not be written down. The pauses grow until one can."""
        if not self.trouble:
            log.error("no tasks are taken: %s", why)
        self.trouble = why
        self._again = self.clock() + self._pause
        self._pause = min(MOST, 2 * self._pause)

    def works(self) -> None:
        """An attempt was written down."""
        self._pause = FIRST

    @property
    def wait(self) -> float | None:
        """Seconds until the next look; ``None`` when all is well."""
        return max(0.0, self._again - self.clock()) if self.trouble else None

    def _has_room(self) -> bool:
        try:
            found = os.statvfs(self.folder if self.folder.exists() else self.folder.parent)
        except OSError:
            return False
        return found.f_bavail * found.f_frsize >= LEAST
