"""Workers whose queues come and go."""

from __future__ import annotations

from clearq.engine import Engine
from clearq.models import Lane, WorkerInfo


async def test_a_worker_takes_from_other_lanes_from_now_on(engine: Engine) -> None:
    old, new = Lane(queue="old", kind="function"), Lane(queue="new", kind="function")
    id = await engine.workers.register(WorkerInfo(label="w", kind="function", lanes=(old,)))
    await engine.functions.turn(id, [("old", 1)], 1)
    idle = engine.storage.keys("idle", "fn:old")
    assert await engine.storage.command("EXISTS", idle) == 1
    await engine.workers.listen(id, [new])
    assert (await engine.workers.get("w")).info.lanes == (new,)
    assert await engine.storage.command("EXISTS", idle) == 0


async def test_a_dead_worker_is_left_as_it_is(engine: Engine) -> None:
    id = await engine.workers.register(WorkerInfo(label="w", kind="function", lanes=()))
    await engine.workers.unregister(id)
    await engine.workers.listen(id, [Lane(queue="new", kind="function")])
    assert await engine.storage.command("HGET", engine.storage.keys("worker", id), "lanes") == ""
    await engine.workers.listen("never there", [])
    assert await engine.storage.command("EXISTS", engine.storage.keys("worker", "never there")) == 0
