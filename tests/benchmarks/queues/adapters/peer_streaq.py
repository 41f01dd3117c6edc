"""streaq: bulk by one pipeline for a thousand tasks; results are kept by default."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import probe
from streaq import Worker

logging.disable(logging.INFO)
worker: Worker[None] = Worker(redis_url=probe.URL, concurrency=64, anyio_kwargs={"use_uvloop": True})
_open = contextlib.AsyncExitStack()


@worker.task
async def noop() -> None:
    probe.ran()


@worker.task
async def stamp() -> float:
    return time.monotonic()


@worker.task
async def hold_open(number: int, seconds: float) -> None:
    probe.began(number)
    await asyncio.sleep(seconds)


async def connect() -> None:
    await _open.enter_async_context(worker)


async def close() -> None:
    await _open.aclose()


async def single(count: int) -> None:
    for _ in range(count):
        await noop.enqueue()


async def bulk(count: int) -> None:
    for _ in range(0, count, 1000):
        await worker.enqueue_many([noop.enqueue() for _ in range(min(1000, count))])


async def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        done = await (await stamp.enqueue()).result(10)
        spent.append((done.result - begun, time.monotonic() - begun))
        await asyncio.sleep(0.002)
    return spent


async def hold(count: int, seconds: float) -> None:
    for number in range(count):
        await hold_open.enqueue(number, seconds)
