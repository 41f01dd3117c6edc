"""The server goes away, or the line is cut after a command was carried out: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.errors import QueueExists, QueueNotFound, StorageUnavailable, TaskNotFound
from clearq.models import Claim, Lane, ScalarPoint, TaskSpec, WorkerInfo
from clearq.settings import Settings
from tests.support.proxy import CuttingProxy
from tests.support.valkey import ValkeyProcess

T = TypeVar("T")


@pytest.fixture
async def line(server: ValkeyProcess, tmp_path: Path) -> AsyncIterator[tuple[Engine, CuttingProxy]]:
    """An engine behind a proxy."""
    parts = urlsplit(server.tcp_url)
    async with CuttingProxy("127.0.0.1", parts.port or 0) as proxy:
        url = server.tcp_url.replace(f":{parts.port}", f":{proxy.port}")
        engine = await Engine.connect(Settings(url=SecretStr(url), home=tmp_path))
        yield engine, proxy
        await engine.close()


async def test_a_cut_reply_doubles_nothing(line: tuple[Engine, CuttingProxy]) -> None:
    engine, proxy = line
    worker = await engine.workers.register(WorkerInfo(label="w", lanes=(Lane(queue="default"),)))
    ids = []
    for _ in range(20):
        proxy.cut_replies = 1
        ids.append(await engine.tasks.submit(TaskSpec(name="t"), "default"))
    assert [task.id for task in await engine.queues.waiting("default")] == ids

    proxy.cut_replies = 1
    claims = await engine.claims.claim_many(worker, ["default"], 5, kinds=("q",))
    assert [claim.task.id for claim in claims] == ids[:5]

    view = (await engine.claims.snapshot(worker, ["default"])).queues[0]
    proxy.cut_replies = 1
    claim = await engine.claims.claim_task(
        worker, view.heads[0], queue_rev=view.queue.rev, host_id="h", boot_id="b", gpus=["g"]
    )
    assert isinstance(claim, Claim)
    assert await engine.claims.own(worker) == {claim.task.id: claim.fence for claim in [*claims, claim]}

    proxy.cut_replies = 1
    await engine.attempts.start(claim.task.id, claim.fence, "s")
    proxy.cut_replies = 1
    await engine.logs.append(claim.task.id, [(1.0, "stdout", "once")], fence=claim.fence, seq=1)
    proxy.cut_replies = 1
    point = ScalarPoint(title="loss", series="train", value=0.5, iteration=1)
    await engine.metrics.report(claim.task.id, [point], fence=claim.fence, seq=1)
    proxy.cut_replies = 1
    await engine.attempts.complete(claim.task.id, claim.fence)
    proxy.cut_replies = 1
    assert await engine.attempts.fail(claims[0].task.id, claims[0].fence, reason="r") == "failed"

    assert [line.text for line in await engine.logs.read(claim.task.id)] == ["once"]
    assert [summary.count for summary in await engine.metrics.summary(claim.task.id)] == [1]
    assert (await engine.tasks.get(claims[0].task.id)).failures == 1
    assert (await engine.queues.get("default")).running == 4
    assert proxy.cuts == 27


async def test_whoever_made_or_deleted_something_is_told_so(line: tuple[Engine, CuttingProxy]) -> None:
    engine, proxy = line
    tasks, queues, cuts = engine.tasks, engine.queues, 0

    async def cut(call: Awaitable[T]) -> T:
        nonlocal cuts
        cuts += 1
        proxy.cut_replies = 1
        return await call

    assert (await cut(queues.create("GPU queue", tags=["a"]))).id == "gpu-queue"
    with pytest.raises(QueueExists):
        await queues.create("GPU queue")
    assert (await cut(queues.rename("GPU queue", "cards"))).name == "cards"
    assert (await cut(queues.pause("cards", by="me"))).pause is not None
    assert (await cut(queues.resume("cards"))).pause is None
    draft = await cut(tasks.create(TaskSpec(name="t")))
    copy = await cut(tasks.clone(draft.id))
    await cut(tasks.enqueue(draft.id, "cards"))
    assert await cut(queues.clear("cards")) in (0, 1)
    await cut(tasks.enqueue(draft.id, "cards"))
    await cut(tasks.dequeue(draft.id))
    await cut(tasks.enqueue(draft.id, "cards"))
    assert await cut(tasks.stop(draft.id)) == "stopped"
    await cut(tasks.reset(draft.id))
    await cut(tasks.mark(draft.id, "completed", force=True))
    await cut(tasks.publish(draft.id))
    await cut(tasks.archive(copy.id))
    await cut(tasks.delete(copy.id))
    with pytest.raises(TaskNotFound):
        await tasks.delete(copy.id)
    await cut(queues.delete("cards", force=True))
    with pytest.raises(QueueNotFound):
        await queues.delete("cards")
    worker = WorkerInfo(label="w", lanes=(Lane(queue="default"),))
    id = await cut(engine.workers.register(worker))
    await cut(engine.workers.unregister(id))
    assert proxy.cuts == cuts


async def test_acknowledged_enqueues_survive_kill_9_of_the_server(server: ValkeyProcess, tmp_path: Path) -> None:
    engine = await Engine.connect(Settings(url=SecretStr(server.url), home=tmp_path, patience=60))
    acknowledged: list[str] = []

    async def produce() -> None:
        for i in range(400):
            acknowledged.append(await engine.tasks.submit(TaskSpec(name=f"t{i}"), "default"))

    producer = asyncio.create_task(produce())
    for _ in range(3):
        already = len(acknowledged)
        while len(acknowledged) < already + 40:
            await asyncio.sleep(0)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    await producer
    waiting = [task.id for task in await engine.queues.waiting("default", limit=1000)]
    assert waiting == acknowledged
    await engine.close()


async def test_a_server_that_stays_away_is_said_clearly(server: ValkeyProcess, tmp_path: Path) -> None:
    engine = await Engine.connect(Settings(url=SecretStr(server.url), home=tmp_path, patience=0.2))
    server.kill()
    with pytest.raises(StorageUnavailable, match="clearq doctor"):
        await engine.queues.list()
    server.start()
    assert [queue.id for queue in await engine.queues.list()] == ["default", "services"]
    await engine.close()


async def test_a_follower_outlives_a_short_outage(server: ValkeyProcess, tmp_path: Path) -> None:
    engine = await Engine.connect(Settings(url=SecretStr(server.url), home=tmp_path, patience=60))
    id = await engine.tasks.submit(TaskSpec(name="t"), "default")
    worker = await engine.workers.register(WorkerInfo(label="w", lanes=(Lane(queue="default"),)))
    claim = (await engine.claims.claim_many(worker, ["default"], 1, kinds=("q",)))[0]
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def follow() -> None:
        async for line in engine.logs.follow(id):
            seen.put_nowait(line.text)

    follower = asyncio.create_task(follow())
    await engine.logs.append(id, [(1.0, "stdout", "before")], fence=claim.fence, seq=1)
    assert await seen.get() == "before"
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await engine.logs.append(id, [(2.0, "stdout", "after")], fence=claim.fence, seq=2)
    assert await seen.get() == "after"
    await engine.attempts.complete(id, claim.fence)
    await follower
    await engine.close()
