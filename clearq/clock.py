"""Time as a value that is passed in, so that no test waits for a real clock."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds since the epoch, as a float.
Clock = Callable[[], float]

#: Seconds on a clock that never jumps and counts suspend where the system offers one.
MonotonicClock = Callable[[], float]


def boottime() -> float:
    """Seconds since boot, suspend included (CLOCK_BOOTTIME), else the monotonic clock."""
    clock_id = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(clock_id) if clock_id is not None else time.monotonic()


def milliseconds(seconds: float) -> int:
    """Redis keeps milliseconds, Python keeps seconds."""
    return int(seconds * 1000)


def seconds(milliseconds: int | str | bytes) -> float:
    """The reverse of :func:`milliseconds`, from whatever Redis answers."""
    return int(milliseconds) / 1000
