"""A cancelled call ends as cancelled, also while the driver opens its connection."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from clearq.engine import Engine


@pytest.mark.parametrize("steps", range(12))
@pytest.mark.parametrize("blocking", [False, True])
async def test_cancellation_is_never_swallowed(engine: Engine, steps: int, blocking: bool) -> None:
    storage = engine.storage
    await storage._client.connection_pool.disconnect()
    call = (
        storage.block("BLPOP", storage.keys("bell", "nobody"), 20, timeout=20) if blocking else storage.command("PING")
    )
    running = asyncio.create_task(call)
    for _ in range(steps):
        await asyncio.sleep(0)
    if running.done():
        return
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert running.cancelled()
