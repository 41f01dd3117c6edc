"""The server goes away under load and comes back: nothing is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from clearq import Clearq, gather
from clearq.engine import Engine
from clearq.engine.calls import Call
from clearq.engine.ids import new_id
from clearq.settings import Settings
from tests.support.agents import until
from tests.support.functions import Workers
from tests.support.proxy import CuttingProxy
from tests.support.valkey import ValkeyProcess

MANY = 1500


@pytest.fixture
def settings(server: ValkeyProcess, namespace: str, tmp_path: Path) -> Settings:
    return Settings(
        url=SecretStr(server.url), namespace=namespace, home=tmp_path / "home", heartbeat=0.5, dead_after=10.0
    )


@pytest.fixture
async def workers(settings: Settings, engine: Engine, tmp_path: Path) -> AsyncIterator[Workers]:
    workers = Workers(settings, engine, tmp_path)
    yield workers
    for worker in workers.started:
        print(worker.text())
    await workers.close()


async def test_a_killed_server_loses_and_doubles_nothing(workers: Workers, server: ValkeyProcess) -> None:
    await workers.start("--processes", "2", "--concurrency", "20")
    calls = [Call(new_id(), "count", orjson.dumps([number])) for number in range(MANY)]
    await workers.engine.functions.enqueue_many(calls)
    await workers.marked("count", MANY // 10)
    server.kill()
    server.start()
    states = []
    for start in range(0, MANY, 500):
        states += await workers.ended(*(call.id for call in calls[start : start + 500]))
    assert [int(state.result) for state in states] == list(range(MANY))
    assert workers.marks == {f"count {number}": 1 for number in range(MANY)}


@pytest.mark.parametrize("share", [0.0, 0.5], ids=["whole", "in the middle"])
async def test_replies_that_are_cut_lose_and_double_nothing(
    settings: Settings, engine: Engine, server: ValkeyProcess, tmp_path: Path, share: float
) -> None:
    """The server has carried a turn out, and the worker never learns."""
    async with CuttingProxy("127.0.0.1", server.port) as proxy:
        proxy.share = share
        url = server.tcp_url.replace(f":{server.port}/", f":{proxy.port}/")
        workers = Workers(settings.model_copy(update={"url": SecretStr(url)}), engine, tmp_path)
        await workers.start("--concurrency", "10")
        calls = [Call(new_id(), "count", orjson.dumps([number])) for number in range(300)]
        proxy.cut_replies = 1  # the first of all; a fast worker may be done before the others
        await engine.functions.enqueue_many(calls)
        for done in range(30, 270, 30):
            await workers.marked("count", done)
            proxy.cut_replies = 1
        states = await workers.ended(*(call.id for call in calls))
        await workers.close()
    assert proxy.cuts >= 1
    assert [int(state.result) for state in states] == list(range(300))
    assert workers.marks == {f"count {number}": 1 for number in range(300)}


async def test_words_of_what_is_given_that_are_cut_lose_and_double_nothing(
    settings: Settings, engine: Engine, server: ValkeyProcess, tmp_path: Path
) -> None:
    """An idle worker is given one after the other; again and again the line breaks under the word of it."""
    async with CuttingProxy("127.0.0.1", server.port) as proxy:
        url = server.tcp_url.replace(f":{server.port}/", f":{proxy.port}/")
        workers = Workers(settings.model_copy(update={"url": SecretStr(url)}), engine, tmp_path)
        await workers.start()
        for number in range(20):
            proxy.cut_replies = number % 2
            [state] = await workers.ended(await workers.enqueue("count", number))
            assert int(state.result) == number
        await workers.close()
    assert proxy.cuts >= 5
    assert workers.marks == {f"count {number}": 1 for number in range(20)}


async def test_a_client_whose_replies_are_cut_in_the_middle(
    workers: Workers, settings: Settings, server: ValkeyProcess
) -> None:
    """Enqueue, bulk enqueue and the wait for results: each call runs once, and each result arrives."""
    await workers.start("--concurrency", "20")
    async with CuttingProxy("127.0.0.1", server.port) as proxy:
        proxy.share = 0.5
        url = server.tcp_url.replace(f":{server.port}/", f":{proxy.port}/")
        async with Clearq(settings=settings.model_copy(update={"url": SecretStr(url)})) as app:
            count, hold = app.task(name="count")(number), app.task(name="hold")(number)
            handles = []
            for index in range(10):
                proxy.cut_replies = 1
                handles.append(await count.enqueue(index))
            assert proxy.cuts == 10
            proxy.cut_replies = 2
            handles += await app.enqueue_many(count.call(index) for index in range(10, MANY))
            proxy.cut_replies = 2
            assert await gather(*handles, timeout=60) == list(range(MANY))

            held = await hold.enqueue(1)
            waiting = asyncio.create_task(held.result(60))
            await workers.marked("begin", 1)
            await until(lambda: told_of(workers.engine, held.id), "the client is to be told of its end")
            proxy.cut_replies = 1  # the bell, which is then gone from the server
            workers.go()
            assert await waiting == 1
    assert proxy.cuts == 15
    assert {mark: times for mark, times in workers.marks.items() if mark.startswith("count")} == {
        f"count {index}": 1 for index in range(MANY)
    }


async def number(number: int) -> int:
    """What the client knows of the worker's functions."""
    raise AssertionError("it runs elsewhere")


async def told_of(engine: Engine, id: str) -> int:
    """Clients that are told when a task ends."""
    found: int = await engine.storage.command("SCARD", engine.storage.keys("waiters", id))
    return found
