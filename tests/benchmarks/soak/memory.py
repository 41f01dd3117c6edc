"""Memory over time, and whether it grows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from clearq.engine import Engine

MB = 2**20

#: Growth that counts as none, whatever the share: page by page, allocators and sampling differ that much.
SLACK = {"parent": 4 * MB, "child": 6 * MB, "client": 6 * MB, "used": 4 * MB, "keys": 500}

#: Streams that grow for the first hour or so and are trimmed from then on; not counted as used.
FILLING = ("events", "events.fn")

#: The same as a share of the first third.
SHARE = 0.05


@dataclass
class Memory:
    """Samples of one soak."""

    taken: dict[str, list[float]] = field(default_factory=dict)

    async def sample(self, engine: Engine, worker: psutil.Process) -> None:
        """One of everything. ``child`` is the oldest process of the worker, which nobody kills."""
        child = min(worker.children(), key=lambda process: process.create_time())
        keys = engine.storage.keys
        used = await engine.storage.command("INFO", "memory")
        filling = [await engine.storage.command("MEMORY", "USAGE", keys(name)) for name in FILLING]
        found = {
            "parent": worker.memory_info().rss,
            "child": child.memory_info().rss,
            "client": psutil.Process().memory_info().rss,
            "used": used["used_memory"] - sum(int(size or 0) for size in filling),
            "keys": await engine.storage.command("DBSIZE"),
        }
        for name, value in found.items():
            self.taken.setdefault(name, []).append(float(value))

    def growth(self, name: str, warm: int) -> tuple[float, float, bool]:
        """Mean of the first and of the last third after ``warm`` samples, and whether it counts as flat."""
        values = self.taken[name][warm:]
        third = max(1, len(values) // 3)
        first, last = _mean(values[:third]), _mean(values[-third:])
        return first, last, last - first <= max(SLACK[name], SHARE * first)


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0
