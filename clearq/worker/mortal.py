"""A child that dies with its parent, whatever its own code is busy with."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


def die_with_parent(parent: int, lifeline: int | None = None) -> None:
    """End this process when ``parent`` (its pid) ends.

    Linux does so by itself, also while user code blocks or holds the interpreter. Elsewhere a thread waits for the
    end of ``lifeline``, a descriptor whose other end only the parent holds.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    elif lifeline is not None:
        threading.Thread(target=_wait, args=(lifeline,), name="lifeline", daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)  # it ended before we asked


def name_process(name: str) -> None:
    """What lists of processes call this one, up to 15 characters. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def _wait(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os._exit(1)
