"""What a process tree uses of the host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """One sample. CPU is the mean since the sample before."""

    at: float  #: seconds since the epoch
    cpu: float  #: percent of one core: four busy cores are 400
    memory: int  #: bytes resident; pages shared by several processes are counted in each
    processes: int


class UsageMeter:
    """Samples a tree; the first sample's CPU counts from each process's start."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._at = 0.0
        self._before: dict[tuple[int, float], float] = {}  # (pid, start) -> CPU seconds

    def sample(self, pids: Iterable[int]) -> Usage:
        """Measure these processes (:meth:`ProcessTree.members`); those that have ended count nothing."""
        now = self._clock()
        spent: dict[tuple[int, float], float] = {}
        memory = 0
        started = now
        for pid in pids:
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    times = process.cpu_times()
                    spent[pid, process.create_time()] = times.user + times.system
                    memory += process.memory_info().rss
                    started = min(started, process.create_time())
            except psutil.Error:
                continue
        seconds = now - (self._at or started)
        busy = sum(total - self._before.get(key, 0.0) for key, total in spent.items())
        self._at, self._before = now, spent
        cpu = 100 * busy / seconds if seconds > 0 else 0.0
        return Usage(at=now, cpu=round(max(cpu, 0.0), 1), memory=memory, processes=len(spent))
