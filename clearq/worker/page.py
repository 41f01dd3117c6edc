"""A page of memory that a parent and a child share: no lock, no system call, one writer for each number.

The parent writes when it sent the last heartbeat that the server acknowledged; the child looks at it before it
starts anything, so that nothing is started on a lease that may be over. The child writes what it does, for the
heartbeat's metrics, and so that the parent can see a process that only looks alive.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass
from typing import Self

from clearq.clock import MonotonicClock, boottime

_NUMBERS = 16
_SIZE = _NUMBERS * 8
_BEAT, _RUNNING, _READY, _DONE, _FAILED, _EMPTY, _RAN, _LAGGED, _DEADLINE, _TAKEN, _WITHDRAWN, _SIGN = range(12)


@dataclass(frozen=True)
class Load:
    """What a child does."""

    running: int = 0
    ready: int = 0  #: claimed, not started
    done: int = 0  #: ended since the start
    failed: int = 0  #: of those, the ones that failed
    empty: int = 0  #: claims that found nothing left
    ran: float = 0.0  #: seconds that those which ended ran, summed up
    lagged: float = 0.0  #: seconds from enqueue to start, summed up over all that began


class Page:
    """One child's page. The parent makes it, the child opens the descriptor that it inherits."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, _SIZE)
        self._numbers = memoryview(self._map).cast("d")

    @classmethod
    def make(cls) -> Self:
        """A new one, all zero, without a name in any folder."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("clearq-worker")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _SIZE)
        return cls(descriptor)

    def close(self) -> None:
        """Let go of it."""
        self._numbers.release()
        self._map.close()
        os.close(self.descriptor)

    @property
    def beat(self) -> float:
        """When the last acknowledged heartbeat was sent, on the boot-time clock; 0 before the first."""
        return self._numbers[_BEAT]

    @beat.setter
    def beat(self, value: float) -> None:
        self._numbers[_BEAT] = value

    @property
    def deadline(self) -> float:
        """When the first of the running functions must have ended, on the boot-time clock; 0: no timeout runs."""
        return self._numbers[_DEADLINE]

    @deadline.setter
    def deadline(self, value: float) -> None:
        self._numbers[_DEADLINE] = value

    @property
    def taken(self) -> int:
        """The child: the last of those given to it that it has heard of."""
        return int(self._numbers[_TAKEN])

    @taken.setter
    def taken(self, number: int) -> None:
        self._numbers[_TAKEN] = number

    @property
    def withdrawn(self) -> int:
        """The parent: up to here, what was given to the child and not taken goes to others."""
        return int(self._numbers[_WITHDRAWN])

    @withdrawn.setter
    def withdrawn(self, number: int) -> None:
        self._numbers[_WITHDRAWN] = number

    @property
    def sign(self) -> float:
        """When the child gave its last sign of life, on the boot-time clock; 0 before it works."""
        return self._numbers[_SIGN]

    @sign.setter
    def sign(self, value: float) -> None:
        self._numbers[_SIGN] = value

    @property
    def load(self) -> Load:
        """What the child wrote last."""
        counts = (int(number) for number in self._numbers[_RUNNING:_RAN])
        return Load(*counts, *self._numbers[_RAN:_DEADLINE])

    def write(self, load: Load) -> None:
        """The child says what it does."""
        numbers = self._numbers
        numbers[_RUNNING], numbers[_READY] = load.running, load.ready
        numbers[_DONE], numbers[_FAILED], numbers[_EMPTY] = load.done, load.failed, load.empty
        numbers[_RAN], numbers[_LAGGED] = load.ran, load.lagged


class Gate:
    """May a claimed function be started now?"""

    def __init__(self, page: Page, window: float, clock: MonotonicClock = boottime) -> None:
        self._page, self._window, self._clock = page, window, clock

    @property
    def open(self) -> bool:
        """The server has heard from our parent lately enough: what we claimed is still ours."""
        return self._clock() - self._page.beat < self._window


def start_window(dead_after: float) -> float:
    """Seconds after the last acknowledged heartbeat in which work may start: 10 of the usual 15."""
    return dead_after * 2 / 3
