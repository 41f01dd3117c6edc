"""Many workers at once: each task runs exactly once, and work is shared without configuration."""

from __future__ import annotations

import asyncio
from collections import Counter

from clearq.engine import Engine
from clearq.models import Claim, Lane, TaskSpec, WorkerInfo
from clearq.settings import Settings

WORKERS = 50
TASKS = 1000


async def _fill(engine: Engine) -> list[str]:
    return [await engine.tasks.submit(TaskSpec(name=f"t{i}"), "default") for i in range(TASKS)]


async def _agent(settings: Settings, number: int, done: Counter[str]) -> int:
    """Looks, decides for the head, claims it; sleeps on its bell when there is nothing."""
    engine = await Engine.connect(settings)
    info = WorkerInfo(label=f"w{number}", lanes=(Lane(queue="default"),), host_id=f"h{number}")
    worker = await engine.workers.register(info)
    ran = 0
    try:
        while len(done) < TASKS:
            view = (await engine.claims.snapshot(worker, ["default"], heads=WORKERS)).queues[0]
            if not view.heads:
                await engine.workers.wait_bell(worker, 0.2)
                continue
            claim = await engine.claims.claim_task(
                worker,
                view.heads[number % len(view.heads)],
                queue_rev=view.queue.rev,
                host_id=f"h{number}",
                boot_id="b",
            )
            if isinstance(claim, Claim):
                done[claim.task.id] += 1
                ran += 1
                await engine.attempts.complete(claim.task.id, claim.fence)
        return ran
    finally:
        await engine.close()


async def test_each_of_many_tasks_runs_exactly_once(engine: Engine, settings: Settings) -> None:
    ids = await _fill(engine)
    done: Counter[str] = Counter()
    shares = await asyncio.gather(*(_agent(settings, number, done) for number in range(WORKERS)))
    assert done == Counter(ids)
    assert sum(shares) == TASKS
    assert (await engine.queues.get("default")).waiting == 0
    assert (await engine.queues.get("default")).running == 0


async def test_batches_are_disjoint(engine: Engine, settings: Settings) -> None:
    ids = await _fill(engine)
    seen: Counter[str] = Counter()

    async def take(number: int) -> None:
        mine = await Engine.connect(settings)
        worker = await mine.workers.register(WorkerInfo(label=f"w{number}", lanes=(Lane(queue="default"),)))
        while claims := await mine.claims.claim_many(worker, ["default"], 20, kinds=("q",)):
            seen.update(claim.task.id for claim in claims)
        await mine.close()

    await asyncio.gather(*(take(number) for number in range(10)))
    assert seen == Counter(ids)


async def test_order_of_several_queues(engine: Engine) -> None:
    queues = [(await engine.queues.create(name)).id for name in ("high_q", "low_q")]
    names = {}
    for queue in ("high_q", "low_q"):
        for i in range(6):
            names[await engine.tasks.submit(TaskSpec(name=f"{queue}{i}"), queue)] = queue[0]
    worker = await engine.workers.register(WorkerInfo(label="w"))

    async def take(count: int, weights: list[int] | None) -> str:
        claims = await engine.claims.claim_many(worker, queues, count, weights=weights, kinds=("q",))
        return "".join(names[claim.task.id] for claim in claims)

    assert await take(4, [1, 1]) == "hlhl"
    assert await take(4, [3, 1]) == "hhhl"
    assert await take(4, None) == "hlll"


async def test_a_bell_wakes_a_parked_worker(engine: Engine) -> None:
    worker = await engine.workers.register(WorkerInfo(label="w", lanes=(Lane(queue="default"),)))
    await engine.claims.snapshot(worker, ["default"])
    bell = asyncio.create_task(engine.workers.wait_bell(worker, 30.0))
    await engine.tasks.submit(TaskSpec(name="t"), "default")
    assert await bell


async def test_fifty_duplicate_enqueues_make_one_task(engine: Engine) -> None:
    spec = TaskSpec(name="t")
    ids = await asyncio.gather(*(engine.tasks.submit(spec, "default", key="nightly 2026-11-21") for _ in range(50)))
    assert len(set(ids)) == 1
    assert (await engine.queues.get("default")).waiting == 1
