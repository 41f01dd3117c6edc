"""Orphans: processes whose parent has ended and that came to this process, their sub-reaper."""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass

from clearq.executors.proc import LINUX, Identity, Process, children, look

_PR_SET_CHILD_SUBREAPER = 36

#: Main processes that this process has started: their exit status is for their ``ProcessTree`` alone.
OWN_MAINS: set[int] = set()


def become_subreaper() -> bool:
    """Orphans below this process become its children, not init's. False where that is unknown (macOS)."""
    if not LINUX:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


@dataclass(frozen=True)
class Orphans:
    """Those adopted since a moment: children that came later and stand in a session of their own.

    So a process that looks for them must start no session of its own meanwhile.
    """

    before: frozenset[Identity]

    @classmethod
    def from_now_on(cls) -> Orphans:
        """Leave out the children that this process has now."""
        return cls(frozenset(process.identity for pid in children() if (process := look(pid)) is not None))

    def include(self, child: Process) -> bool:
        """Is this child of ours one of them?"""
        return child.session != os.getsid(0) and child.pid not in OWN_MAINS and child.identity not in self.before

    def living(self) -> list[Process]:
        """Those that run. Reaps the others, so that no zombie stays."""
        found = []
        for pid in children():
            process = look(pid)
            if process is None or not self.include(process):
                continue
            if process.alive:
                found.append(process)
            else:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
        return found
