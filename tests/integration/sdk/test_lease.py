"""A run by hand holds its own lease."""

from __future__ import annotations

import asyncio

import pytest

from clearq import Task
from clearq.engine import Engine
from clearq.sdk.current import current_run
from clearq.sdk.run import Run

pytestmark = pytest.mark.usefixtures("quick", "sdk")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats several times a second."""
    monkeypatch.setenv("CLEARQ_HEARTBEAT", "0.1")


async def begun() -> Run:
    task = Task.init("p", "n", auto_connect_streams=False)
    await asyncio.to_thread(task.settle)
    run = current_run()
    assert run is not None and run.holder is not None
    return run


async def event(engine: Engine, name: str, after: str) -> None:
    async with asyncio.timeout(30):
        async for one in engine.events.follow(after):
            if one.name == name:
                return


async def test_a_run_declared_dead_goes_on(engine: Engine) -> None:
    run = await begun()
    assert run.holder is not None
    before = await engine.events.last_id()
    assert await engine.workers.bury(run.holder.id, "") == 1
    await event(engine, "task.rejoined", before)
    task = await engine.tasks.get(run.id)
    assert (task.status, task.stage) == ("in_progress", "running")


async def test_a_task_that_was_given_away_is_let_go(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    run = await begun()
    assert run.holder is not None
    fence = (await engine.tasks.get(run.id)).fence
    await engine.attempts.stopped(run.id, fence)
    await engine.tasks.enqueue(run.id, "default")
    async with asyncio.timeout(30):
        while not run.outbox.stale:
            await asyncio.sleep(0.05)
    assert "nothing more of this run is recorded" in caplog.text
    await asyncio.to_thread(run.finish)
    assert (await engine.tasks.get(run.id)).status == "queued"


async def test_the_end_frees_the_lease(engine: Engine) -> None:
    run = await begun()
    assert run.holder is not None
    await asyncio.to_thread(run.finish)
    assert await engine.workers.bury(run.holder.id, "") == 0
    assert await engine.claims.own(run.holder.id) == {}
