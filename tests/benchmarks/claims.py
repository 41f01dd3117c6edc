"""Does a claim stay as fast when a million tasks wait?"""

from __future__ import annotations

import statistics
import time

from clearq.engine.ids import new_id
from clearq.models.worker import Lane, WorkerInfo
from tests.benchmarks.common import Place, Row, script_spec

_QUEUE = "crowd"
#: Tasks that one round trip writes.
_BATCH = 2_000


async def growing(place: Place, *, short: bool) -> list[Row]:
    """Snapshot and claim by an agent, at growing lengths of the queue."""
    sizes = (1_000, 50_000) if short else (1_000, 100_000, 1_000_000)
    queue = await place.engine.queues.create(_QUEUE)
    info = WorkerInfo(label="bench", host_id="bench-host", boot_id="1", lanes=(Lane(queue=queue.id),))
    worker = await place.engine.workers.register(info)
    filled, medians = 0, []
    for size in sizes:
        await _fill(place, queue.id, size - filled)
        medians.append(await _claim(place, worker, queue.id, 50 if short else 200))
        filled = size
    ratio = medians[-1] / medians[0]
    shown = ", ".join(f"{size:,}: {median * 1000:.2f} ms" for size, median in zip(sizes, medians, strict=True))
    return [
        Row(
            "look and claim with so many tasks waiting",
            f"{shown}; ratio {ratio:.2f}",
            "ratio <= 2",
            ratio <= 2,
            {**{str(size): median for size, median in zip(sizes, medians, strict=True)}, "ratio": ratio},
        )
    ]


async def _fill(place: Place, queue: str, count: int) -> None:
    """Put ``count`` copies of one task, enqueued by the engine, behind it."""
    keys, storage = place.engine.storage.keys, place.engine.storage
    first = await place.engine.tasks.submit(script_spec("crowd", "print(1)\n"), queue)
    fields = await storage.command("HGETALL", keys("t", first))
    flat = [text for pair in fields.items() for text in pair]
    score = int(await storage.command("ZSCORE", keys("q", queue), first))
    while count > 1:
        batch = min(_BATCH, count - 1)
        ids = [new_id() for _ in range(batch)]
        scored = [item for number, each in enumerate(ids, start=1) for item in (score + 16 * number, each)]
        score += 16 * batch
        await storage.commands([("HSET", keys("t", each), *flat) for each in ids])
        await storage.command("ZADD", keys("q", queue), *scored)
        await storage.command("HINCRBY", keys("queue", queue), "place", 16 * batch)
        count -= batch


async def _claim(place: Place, worker: str, queue: str, times: int) -> float:
    """Median seconds of one look and one claim; what was claimed is handed back."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        snapshot = await place.engine.claims.snapshot(worker, [queue])
        view = snapshot.queues[0]
        claim = await place.engine.claims.claim_task(
            worker, view.heads[0], queue_rev=view.queue.rev, host_id="bench-host", boot_id="1"
        )
        spent.append(time.perf_counter() - began)
        if isinstance(claim, str):
            raise RuntimeError(f"the claim was refused: {claim}")
        await place.engine.attempts.release(claim.task.id, claim.fence)
    return statistics.median(spent)
