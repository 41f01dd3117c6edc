"""The server's time in a worker whose own clock is wrong."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from clearq.clock import boottime
from clearq.errors import StorageUnavailable
from clearq.worker import server_clock
from clearq.worker.server_clock import ServerClock


def engine(*answers: float | Exception) -> Any:
    """One whose server tells these times, and then none any more."""
    left = list(answers)

    async def now() -> float:
        if not left:
            await asyncio.Event().wait()
        if isinstance(answer := left.pop(0), Exception):
            raise answer
        return answer

    return SimpleNamespace(cron=SimpleNamespace(now=now), left=left)


async def test_it_follows_the_server(monkeypatch: Any) -> None:
    monkeypatch.setattr(server_clock, "EVERY", 0.0)
    server, clock = engine(StorageUnavailable("away"), 5_000_000.0), ServerClock()
    following = asyncio.create_task(clock.follow(server))
    while server.left:
        await asyncio.sleep(0)
    following.cancel()
    waited = clock.since(4_999_990.0, boottime())
    assert 10.0 <= waited < 10.0 + 60.0
    assert clock.since(6_000_000.0, boottime()) == 0.0
