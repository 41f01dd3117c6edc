"""Does a function cost as much processor time on a worker of two processes as on one of one?"""

from __future__ import annotations

import asyncio
import statistics

from clearq.engine.calls import Call
from clearq.engine.ids import new_id
from tests.benchmarks.common import Place, Row
from tests.benchmarks.common import worker_cpu as busy

APP = "tests.benchmarks.functions_app:app"


async def worker_cpu(place: Place, *, short: bool) -> list[Row]:
    """No-op functions, drained by a worker of one process and of two in turn; its parent's time is counted, too."""
    count, rounds = (10_000, 1) if short else (40_000, 5)
    spent: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for processes, found in spent.items():
            found.append(await _drain(place, processes, count))
    one, two = (statistics.median(spent[processes]) * 1e6 for processes in (1, 2))
    return [
        Row(
            "worker: processor time of a function, two processes to one",
            f"{two:.0f} us to {one:.0f} us; ratio {two / one:.2f}",
            "ratio <= 1.1",
            two / one <= 1.1,
            {"one": one, "two": two},
        )
    ]


async def _drain(place: Place, processes: int, count: int) -> float:
    """Seconds of processor time a function."""
    await place.engine.queues.pause("default", by="bench")
    for _ in range(0, count, 10_000):
        await place.engine.functions.enqueue_many([Call(new_id(), "noop", b"[]") for _ in range(10_000)])
    async with place.worker(APP, processes=processes) as worker:
        await asyncio.sleep(1.0)  # what it does once: scripts, caches
        before = busy(worker)
        await place.engine.queues.resume("default")
        while (queue := await place.engine.queues.get("default")).waiting or queue.running:
            await asyncio.sleep(0.05)
        return (busy(worker) - before) / count
