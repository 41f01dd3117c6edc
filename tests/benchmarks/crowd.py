"""A thousand idle workers on one server: what they cost, and whom an enqueue wakes.

They are played in one process: each registers, beats, waits for its own bell on a connection of its own and takes
its turns as a real one does.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
from dataclasses import dataclass, field

from clearq.engine import Engine
from clearq.engine.calls import Call, End
from clearq.engine.ids import new_id
from clearq.models import Lane, WorkerInfo
from tests.benchmarks.common import Place, Row

#: Commands that clients send; those that scripts call are not theirs.
_SENT = ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_blpop")


@dataclass
class Crowd:
    """The workers of one engine."""

    engine: Engine
    queue: str
    rung: int = 0
    started: dict[str, float] = field(default_factory=dict)  #: task to the time of its start
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def worker(self, number: int) -> None:
        """One: look, sleep on the bell, run what is claimed."""
        info = WorkerInfo(label=f"idle{number}", lanes=(Lane(queue=self.queue, kind="function"),))
        holder = await self.engine.workers.register(info)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat(holder, number))
            await self._work(holder)
            while True:
                if await self.engine.workers.wait_bell(holder, 30.0):
                    self.rung += 1
                    await self._work(holder)

    async def _work(self, holder: str) -> None:
        """Turns until one finds nothing."""
        ends: list[End] = []
        while True:
            turn = await self.engine.functions.turn(holder, [(self.queue, 1)], 1, ends)
            ends = [End(given.id, given.fence, "complete", b"null") for given in turn.claims]
            for given in turn.claims:
                self.started[given.id] = time.perf_counter()
                self.changed.set()
            if not ends:
                return

    async def _beat(self, holder: str, number: int) -> None:
        every = self.engine.storage.settings.heartbeat
        await asyncio.sleep(every * (number % 100) / 100)
        while True:
            await self.engine.workers.beat(holder, {})
            await asyncio.sleep(every)

    async def started_of(self, ids: list[str]) -> list[float]:
        """When these began, once all have. Raises TimeoutError."""
        async with asyncio.timeout(30):
            while not all(id in self.started for id in ids):
                self.changed.clear()
                await self.changed.wait()
        return [self.started[id] for id in ids]


async def idle_workers(place: Place, *, short: bool) -> list[Row]:
    """A thousand, or a fifth of them."""
    return await idle(place, 200, 10.0, 50) if short else await idle(place, 1000, 30.0, 200)


async def idle(place: Place, count: int, seconds: float, enqueues: int) -> list[Row]:
    """So many that wait, watched for some seconds; one enqueue after another; a burst."""
    _allow_files(count * 2 + 200)
    crowd = Crowd(place.engine, await place.engine.queues.resolve("default"))
    members = [asyncio.create_task(crowd.worker(number)) for number in range(count)]
    try:
        await _all_idle(crowd, count, members)
        await asyncio.sleep(place.settings.heartbeat)
        rate, share = await _cost(crowd, seconds)
        bare = await _bare(crowd)
        waits, rings = await _singles(crowd, enqueues)
        burst = await _burst(crowd, count // 2)
    finally:
        for member in members:
            member.cancel()
        await asyncio.gather(*members, return_exceptions=True)
    cuts = statistics.quantiles(waits, n=100)
    expected = count / place.settings.heartbeat * 1.25
    return [
        Row(
            f"{count:,} idle workers: commands, and the server's share of a core",
            f"{rate:.0f} /s, {share:.1f} %",
            f"<= {expected:.0f} /s (a heartbeat each, a quarter more)",
            rate <= expected,
            {"commands": rate, "percent": share},
        ),
        Row(
            f"{count:,} idle workers: woken by one enqueue",
            f"{rings:.2f} on average; start after {cuts[49]:.2f} ms p50, {cuts[98]:.2f} ms p99 "
            f"(a bare round trip: {bare:.2f} ms)",
            "1",
            rings == 1,
            {"rings": rings, "p50": cuts[49], "p99": cuts[98], "bare": bare},
        ),
        Row(
            f"{count:,} idle workers: {count // 2} tasks at once, until all have begun",
            f"{burst:.0f} ms",
            numbers={"ms": burst},
        ),
    ]


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard)
        )


async def _all_idle(crowd: Crowd, count: int, members: list[asyncio.Task[None]]) -> None:
    storage = crowd.engine.storage
    while await storage.command("ZCARD", storage.keys("idle", "fn", crowd.queue)) < count:
        for member in members:
            if member.done():
                member.result()
        await asyncio.sleep(0.05)


async def _cost(crowd: Crowd, seconds: float) -> tuple[float, float]:
    """Commands a second, and percent of a core, of the server."""
    before, began = await _stats(crowd.engine), time.perf_counter()
    await asyncio.sleep(seconds)
    after, span = await _stats(crowd.engine), time.perf_counter() - began
    return (after[0] - before[0]) / span, (after[1] - before[1]) / span * 100


async def _stats(engine: Engine) -> tuple[int, float]:
    stats = await engine.storage.command("INFO", "commandstats")
    cpu = await engine.storage.command("INFO", "cpu")
    return sum(int(stats[name]["calls"]) for name in _SENT if name in stats), (
        cpu["used_cpu_user"] + cpu["used_cpu_sys"]
    )


async def _bare(crowd: Crowd) -> float:
    spent = []
    for _ in range(50):
        began = time.perf_counter()
        await crowd.engine.storage.hot("wait_many", "")
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


async def _singles(crowd: Crowd, count: int) -> tuple[list[float], float]:
    """Milliseconds from each enqueue to its start, and bells a task."""
    waits, before = [], crowd.rung
    for _ in range(count):
        call = Call(new_id(), "noop", b"[]")
        began = time.perf_counter()
        await crowd.engine.functions.enqueue(call)
        [at] = await crowd.started_of([call.id])
        waits.append((at - began) * 1000)
        await asyncio.sleep(0.005)
    return waits, (crowd.rung - before) / count


async def _burst(crowd: Crowd, count: int) -> float:
    calls = [Call(new_id(), "noop", b"[]") for _ in range(count)]
    began = time.perf_counter()
    await crowd.engine.functions.enqueue_many(calls)
    return (max(await crowd.started_of([call.id for call in calls])) - began) * 1000
