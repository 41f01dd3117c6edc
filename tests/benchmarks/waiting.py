"""A million waiting functions: what one costs, and whether claims and drains stay as fast."""

from __future__ import annotations

import asyncio
import pickle
import statistics
import time
from uuid import uuid4

from redis.asyncio import Redis

from clearq.engine.calls import Call, End
from clearq.engine.ids import new_id
from clearq.models import Lane, WorkerInfo
from clearq.storage import embedded
from tests.benchmarks.common import Place, Row, worker_cpu

#: Functions of one claim, as a worker takes them.
CLAIM = 100

#: As arq describes a job without arguments.
_ARQ_JOB: dict[str, object] = {"t": None, "f": "noop", "a": (), "k": {}}

APP = "tests.benchmarks.functions_app:app"


async def functions(place: Place, *, short: bool) -> list[Row]:
    """The promised million, or a tenth of it."""
    sizes = (1_000, 10_000, 100_000) if short else (1_000, 100_000, 1_000_000)
    return await growing(place, sizes, drained=5_000 if short else 50_000, claims=20 if short else 50)


async def growing(place: Place, sizes: tuple[int, ...], *, drained: int, claims: int) -> list[Row]:
    """Enqueue in bulk, claim at growing lengths, and drain the head of a short and of a long queue."""
    queue = await place.engine.queues.resolve("default")
    arqs = await _arq_weight(place, sizes[0], sizes[-1])
    used: list[int] = []
    filled, medians, rate = 0, [], 0.0
    holder = await place.engine.workers.register(WorkerInfo(label="bench", lanes=(Lane(queue=queue, kind="function"),)))
    for size in sizes:
        rate = await _fill(place, size - filled)
        filled = size
        medians.append(await _claim(place, holder, queue, claims))
        used.append(await _used(place))
    weight = (used[-1] - used[0]) / (sizes[-1] - sizes[0])  # without what the first ones bring along: scripts, streams
    await place.engine.workers.unregister(holder)
    long = await _drain(place, queue, drained)
    await place.engine.queues.clear("default")
    await _fill(place, drained + drained // 10)
    alone = await _drain(place, queue, drained)
    return [
        Row("waiting functions: enqueue in bulk, the last of them", f"{rate:,.0f} /s", numbers={"per_second": rate}),
        Row(
            f"waiting functions: bytes of one, {filled:,} wait",
            f"{weight:.0f}; of arq's as many: {arqs:.0f}",
            "<= arq's",
            weight <= arqs,
            {"bytes": weight, "arq": arqs},
        ),
        _claims(sizes, medians),
        Row(
            f"drain of the first {drained:,} of {filled:,} waiting, and of {drained:,} alone",
            f"{long[0]:,.0f} /s and {alone[0]:,.0f} /s; {long[1]:.0f} us and {alone[1]:.0f} us of worker and server "
            f"each; ratio {long[1] / alone[1]:.2f}",
            "ratio <= 1.25",
            long[1] / alone[1] <= 1.25,
            {"long": long[0], "alone": alone[0], "long_us": long[1], "alone_us": alone[1]},
        ),
    ]


def _claims(sizes: tuple[int, ...], medians: list[float]) -> Row:
    ratio = medians[-1] / medians[0]
    shown = ", ".join(f"{size:,}: {median * 1000:.2f} ms" for size, median in zip(sizes, medians, strict=True))
    return Row(
        f"claim of {CLAIM} with so many functions waiting",
        f"{shown} of the server; ratio {ratio:.2f}",
        "ratio <= 2",
        ratio <= 2,
        {**{str(size): median for size, median in zip(sizes, medians, strict=True)}, "ratio": ratio},
    )


async def _used(place: Place) -> int:
    info = await place.engine.storage.command("INFO", "memory")
    return int(info["used_memory"])


async def _server_cpu(place: Place) -> float:
    """Seconds of processor time until now: other processes on this machine do not change it as they change a wait."""
    info = await place.engine.storage.command("INFO", "cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


async def _arq_weight(place: Place, first: int, last: int) -> float:
    """Bytes of one of as many waiting no-ops, stored as arq 0.28 does: a pickle that expires, and a queue's entry."""

    async def fill(count: int) -> int:
        for start in range(0, count, 10_000):
            async with client.pipeline(transaction=False) as pipe:
                now = int(time.time() * 1000)
                for _ in range(min(10_000, count - start)):
                    id, job = uuid4().hex, {**_ARQ_JOB, "et": now}
                    pipe.psetex(f"arq:job:{id}", 86_400_000, pickle.dumps(job))
                    pipe.zadd("arq:queue", {id: now})
                await pipe.execute()
        return await _used(place)

    server = await embedded.find(place.settings)
    assert server is not None
    async with Redis.from_url(server.url, db=1) as client:
        few, many = await fill(first), await fill(last - first)
        await client.execute_command("FLUSHDB", "SYNC")  # type: ignore[no-untyped-call]
    return (many - few) / (last - first)


async def _fill(place: Place, count: int) -> float:
    """So many more wait; how many were enqueued a second."""
    began = time.perf_counter()
    for start in range(0, count, 10_000):
        calls = [Call(new_id(), "noop", b"[]") for _ in range(min(10_000, count - start))]
        await place.engine.functions.enqueue_many(calls)
    return count / (time.perf_counter() - began)


async def _claim(place: Place, holder: str, queue: str, times: int) -> float:
    """Median seconds of the server for one claim; what was claimed goes back to its place."""
    spent = []
    for _ in range(times):
        began = await _server_cpu(place)
        turn = await place.engine.functions.turn(holder, [(queue, CLAIM)], CLAIM)
        spent.append(await _server_cpu(place) - began)
        if len(turn.claims) != CLAIM:
            raise RuntimeError(f"{len(turn.claims)} were claimed, not {CLAIM}")
        ends = [End(given.id, given.fence, "release") for given in turn.claims]
        await place.engine.functions.turn(holder, [], 0, ends)
    return statistics.median(spent)


async def _drain(place: Place, queue: str, count: int) -> tuple[float, float]:
    """``count`` of them by one worker with one process, the first tenth to warm up: functions a second, and
    microseconds of processor time of worker and server together for each.
    """
    storage = place.engine.storage

    async def left() -> int:
        return int(await storage.command("ZCARD", storage.keys("fn", queue)))

    full = await left()
    async with place.worker(APP) as worker:
        while await left() > full - count // 10:
            await asyncio.sleep(0.005)
        first, began, busy = await left(), time.perf_counter(), worker_cpu(worker) + await _server_cpu(place)
        while (now := await left()) > max(0, first - count * 9 // 10):
            await asyncio.sleep(0.02)
        spent = time.perf_counter() - began
        busy = worker_cpu(worker) + await _server_cpu(place) - busy
        await place.engine.queues.pause("default", by="bench")
    await place.engine.queues.resume("default")
    return (first - now) / spent, busy / (first - now) * 1e6
