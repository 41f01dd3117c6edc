"""A closed storage leaves no connection behind, whatever was under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.errors import StorageUnavailable
from clearq.settings import Settings
from clearq.storage import Storage
from tests.support.valkey import ValkeyProcess


async def until_closed(work: Callable[[], Awaitable[object]], seen: asyncio.Event) -> None:
    """Go on with ``work`` as loops do that look again whatever a look brought."""
    while True:
        seen.set()
        await work()
        await asyncio.sleep(0)


async def connections(watcher: Storage) -> int:
    """Open connections besides the watcher's."""
    return int((await watcher.command("INFO", "clients"))["connected_clients"]) - 1


@pytest.mark.parametrize("kind", ["script", "hot", "block", "wait_for", "bell"])
async def test_what_is_under_way_ends_and_opens_nothing_anew(server: ValkeyProcess, tmp_path: Path, kind: str) -> None:
    settings = Settings(url=SecretStr(server.url), home=tmp_path, patience=30)
    watcher = await Storage.connect(settings, server.url)
    storage = await Storage.connect(settings, server.url)
    verbs: dict[str, Callable[[], Awaitable[object]]] = {
        "script": partial(storage.script, "wait_many", "", "none"),
        "hot": partial(storage.hot, "wait_many", "", "none"),
        "block": partial(storage.block, "BLPOP", storage.keys("bell:x"), 20, timeout=20),
        "wait_for": partial(storage.wait_for, "BLPOP", storage.keys("bell:x"), 20, timeout=20),
        "bell": partial(storage.bell, storage.keys("bell:x"), timeout=20),
    }
    begun = asyncio.Event()
    tasks = [asyncio.create_task(until_closed(verbs[kind], event)) for event in (begun, asyncio.Event())]
    await begun.wait()
    while not await connections(watcher):
        await asyncio.sleep(0.001)
    await storage.close()
    if kind == "wait_for":  # answers nothing and is asked again
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
    async with asyncio.timeout(10):
        for answer in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(answer, StorageUnavailable | asyncio.CancelledError)
        while await connections(watcher):
            await asyncio.sleep(0.01)
    await watcher.close()
