"""The server goes away under load and comes back: nothing is lost, nothing runs twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.engine.functions import Call
from clearq.engine.ids import new_id
from clearq.settings import Settings
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


async def test_replies_that_are_cut_lose_and_double_nothing(
    settings: Settings, engine: Engine, server: ValkeyProcess, tmp_path: Path
) -> None:
    """The server has carried a turn out, and the worker never learns."""
    async with CuttingProxy("127.0.0.1", server.port) as proxy:
        url = server.tcp_url.replace(f":{server.port}/", f":{proxy.port}/")
        workers = Workers(settings.model_copy(update={"url": SecretStr(url)}), engine, tmp_path)
        await workers.start("--concurrency", "10")
        calls = [Call(new_id(), "count", orjson.dumps([number])) for number in range(300)]
        await engine.functions.enqueue_many(calls)
        for done in range(30, 270, 30):
            await workers.marked("count", done)
            proxy.cut_replies = 1
        states = await workers.ended(*(call.id for call in calls))
        await workers.close()
    assert proxy.cuts >= 1
    assert [int(state.result) for state in states] == list(range(300))
    assert workers.marks == {f"count {number}": 1 for number in range(300)}
