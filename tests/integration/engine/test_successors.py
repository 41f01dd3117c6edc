"""Whom a worker goes on with when a queue that it listens to is gone."""

from __future__ import annotations

from clearq.engine import Engine


async def test_only_a_queue_that_is_gone_has_a_successor(engine: Engine) -> None:
    names = {(await engine.queues.create(name)).id: name for name in ("kept", "renamed", "gone", "again")}
    await engine.queues.rename("renamed", "another")
    await engine.queues.create("renamed")
    await engine.queues.delete("gone")
    await engine.queues.delete("again")
    again = (await engine.queues.create("again")).id
    assert again == "again-2"
    assert await engine.queues.successors(names) == {"again": again}
    assert await engine.queues.successors({"another": "another", again: "again"}) == {}
