"""What an idle agent costs: processor time and Redis commands."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter

import psutil
from redis.asyncio import Redis

from clearq.storage import embedded
from tests.benchmarks.common import Place, Row


async def agent(place: Place, *, short: bool) -> list[Row]:
    """An agent that waits for work, after it has settled. Commands that scripts call inside are not counted."""
    async with place.agent() as process:
        await asyncio.sleep(5)
        watched = psutil.Process(process.pid)
        began, busy = time.monotonic(), _busy(watched)
        commands = await _commands(place, 10 if short else 60)
        span = time.monotonic() - began
        share = (_busy(watched) - busy) / span * 100
        rate = sum(commands.values()) / span
        memory = watched.memory_info().rss / 2**20
    shown = ", ".join(f"{name} {count / span:.1f}" for name, count in commands.most_common(4))
    return [
        Row("idle agent: share of one core", f"{share:.2f} %", "< 1 %", share < 1, {"percent": share}),
        Row("idle agent: Redis commands", f"{rate:.1f} /s ({shown})", "< 5 /s", rate < 5, {"per_second": rate}),
        Row("idle agent: memory", f"{memory:.0f} MB", numbers={"megabytes": memory}),
    ]


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


async def _commands(place: Place, seconds: float) -> Counter[str]:
    """The commands that clients send within ``seconds``, by name."""
    server = await embedded.find(place.settings)
    assert server is not None
    seen: Counter[str] = Counter()
    client = Redis.from_url(server.url)
    async with client, client.monitor() as monitor:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for command in monitor.listen():
                    if command["client_type"] != "lua":
                        seen[command["command"].split()[0].upper()] += 1
    return seen
