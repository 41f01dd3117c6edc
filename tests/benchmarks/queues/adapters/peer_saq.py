"""saq: no bulk call, so a hundred enqueues at once; results are kept by default."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import probe
from saq import Queue

queue = Queue.from_url(probe.URL)


async def noop(ctx: dict[str, Any]) -> None:
    probe.ran()


async def stamp(ctx: dict[str, Any]) -> float:
    return time.monotonic()


async def hold_open(ctx: dict[str, Any], *, number: int, seconds: float) -> None:
    probe.began(number)
    await asyncio.sleep(seconds)


settings = {"queue": queue, "functions": [noop, stamp, hold_open], "concurrency": 50}


async def connect() -> None:
    await queue.connect()


async def close() -> None:
    await queue.disconnect()


async def single(count: int) -> None:
    for _ in range(count):
        await queue.enqueue("noop")


async def bulk(count: int) -> None:
    for _ in range(0, count, 100):
        await asyncio.gather(*(queue.enqueue("noop") for _ in range(min(100, count))))


async def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        job = await queue.enqueue("stamp")
        assert job is not None
        # A job that ends between its look and its subscription is not announced: so in short waits.
        while job.status not in ("complete", "failed", "aborted"):
            try:
                await job.refresh(until_complete=0.1)
            except TimeoutError:
                continue
        spent.append((job.result - begun, time.monotonic() - begun))
        await asyncio.sleep(0.002)
    return spent


async def hold(count: int, seconds: float) -> None:
    for number in range(count):
        await queue.enqueue("hold_open", number=number, seconds=seconds)
