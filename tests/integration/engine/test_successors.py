"""Whom a worker goes on with when a queue that it listens to is gone."""

from __future__ import annotations

from clearq.engine import Engine


async def test_only_a_queue_that_is_gone_has_a_successor(engine: Engine) -> None:
    names = {(await engine.queues.create(name)).id: name for name in ("kept", "gone", "again")}
    moved = (await engine.queues.create("first")).id
    names[moved] = (await engine.queues.rename("first", "second")).name
    await engine.queues.rename("second", "third")
    await engine.queues.create("second")
    await engine.queues.delete("gone")
    await engine.queues.delete("again")
    again = (await engine.queues.create("again")).id
    assert again == "again-2"
    assert await engine.queues.successors(names) == {"again": again}
    assert await engine.queues.successors({"another": "another", again: "again"}) == {}
