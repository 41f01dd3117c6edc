"""Waiting for a task's end: rung by the script that ends it, never by a poll."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.errors import Stale, TaskNotFound, WaitTimeout
from clearq.models import Task, TaskSpec
from clearq.settings import Settings
from tests.support.bench import NOW, TASK, WORKER, Bench
from tests.support.valkey import ValkeyProcess


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine.storage)


async def waiting(engine: Engine, count: int = 1, id: str = TASK) -> asyncio.Task[Task]:
    """A client that waits, once it is among the waiters."""
    client = asyncio.create_task(engine.tasks.wait(id, timeout=25))
    while await engine.storage.command("SCARD", engine.storage.keys("waiters", id)) < count:
        assert not client.done(), client
        await asyncio.sleep(0.005)
    return client


@pytest.mark.parametrize("how", ["completed", "failed", "stopped", "lost", "mark"])
async def test_every_end_wakes_all_that_wait(engine: Engine, bench: Bench, how: str) -> None:
    fence = await (bench.manual() if how == "mark" else bench.running(limits__losses="0"))
    clients = [await waiting(engine, count) for count in (1, 2, 3)]
    match how:
        case "completed":
            await engine.attempts.complete(TASK, fence)
        case "failed":
            await engine.attempts.fail(TASK, fence, reason="exit code 1")
        case "stopped":
            await engine.attempts.stopped(TASK, fence)
        case "lost":
            await engine.attempts.lose(TASK, fence, proof="gone")
        case "mark":
            await engine.tasks.mark(TASK, "completed")
    wanted = {"lost": "failed", "mark": "completed"}.get(how, how)
    assert [(await client).status for client in clients] == [wanted] * 3


async def test_a_retry_is_no_end(engine: Engine, bench: Bench) -> None:
    fence = await bench.running(limits__retries="1", limits__retry_delay="0.0")
    client = await waiting(engine)
    assert await engine.attempts.fail(TASK, fence, reason="exit code 1") == "queued"
    assert await engine.storage.command("SCARD", bench.keys("waiters", TASK)) == 1
    await engine.tasks.stop(TASK)
    assert (await client).status == "stopped"


async def test_a_waiting_task_that_is_stopped(engine: Engine, bench: Bench) -> None:
    await bench.queued()
    client = await waiting(engine)
    await engine.tasks.stop(TASK, reason="enough")
    assert (await client).status_reason == "enough"


async def test_an_ended_task_answers_at_once(engine: Engine, bench: Bench) -> None:
    await bench.ended()
    assert (await engine.tasks.wait(TASK, timeout=0)).status == "completed"


async def test_a_task_that_is_deleted(engine: Engine, bench: Bench) -> None:
    await bench.queued()
    client = await waiting(engine)
    await engine.tasks.delete(TASK, force=True)
    with pytest.raises(TaskNotFound):
        await client
    with pytest.raises(TaskNotFound):
        await engine.tasks.wait("nobody")


@pytest.mark.parametrize("timeout", [0, 0.0004, 0.05])
async def test_time_is_over(engine: Engine, bench: Bench, timeout: float) -> None:
    await bench.queued()
    with pytest.raises(WaitTimeout, match=r"still queued after .*clearq task why"):
        await engine.tasks.wait(TASK, timeout=timeout)


@pytest.fixture
async def alone(server: ValkeyProcess, tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine on a server that may be stopped."""
    engine = await Engine.connect(Settings(url=SecretStr(server.url), namespace="wait", home=tmp_path, patience=20))
    yield engine
    await engine.close()


async def test_a_server_that_goes_away_for_a_moment(server: ValkeyProcess, alone: Engine) -> None:
    id = await alone.tasks.submit(TaskSpec(name="t"), "default")
    client = await waiting(alone, id=id)
    server.restart()
    await alone.tasks.stop(id)
    assert (await client).status == "stopped"


async def test_an_attempt_that_was_taken_back_is_told_so(engine: Engine, bench: Bench) -> None:
    """Its end is not recorded, and it must not think so."""
    fence = await bench.function()
    await bench.call("reclaim", NOW, WORKER, "", "silent")
    with pytest.raises(Stale):
        await engine.attempts.complete(TASK, fence)
    assert (await engine.tasks.get(TASK)).status == "queued"


async def test_an_end_may_be_said_twice(engine: Engine, bench: Bench) -> None:
    fence = await bench.running()
    for _ in range(2):
        await engine.attempts.complete(TASK, fence)
    await engine.attempts.stopped(TASK, fence)
    assert (await engine.tasks.get(TASK)).status == "completed"
