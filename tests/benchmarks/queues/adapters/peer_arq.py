"""arq: no bulk call, so a hundred enqueues at once; results are kept by default."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import probe
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

SETTINGS = RedisSettings(host=probe.HOST, port=probe.PORT, password=probe.PASSWORD)
pool: ArqRedis


async def noop(ctx: dict[str, Any]) -> None:
    probe.ran()


async def stamp(ctx: dict[str, Any]) -> float:
    return time.monotonic()


async def hold_open(ctx: dict[str, Any], number: int, seconds: float) -> None:
    probe.began(number)
    await asyncio.sleep(seconds)


class WorkerSettings:
    functions = (noop, stamp, hold_open)
    redis_settings = SETTINGS
    max_jobs = 50
    poll_delay = 0.01


async def connect() -> None:
    global pool
    pool = await create_pool(SETTINGS)


async def close() -> None:
    await pool.aclose()


async def single(count: int) -> None:
    for _ in range(count):
        await pool.enqueue_job("noop")


async def bulk(count: int) -> None:
    for _ in range(0, count, 100):
        await asyncio.gather(*(pool.enqueue_job("noop") for _ in range(min(100, count))))


async def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        job = await pool.enqueue_job("stamp")
        assert job is not None
        started = await job.result(10, poll_delay=0.005)
        spent.append((started - begun, time.monotonic() - begun))
        await asyncio.sleep(0.002)
    return spent


async def hold(count: int, seconds: float) -> None:
    for number in range(count):
        await pool.enqueue_job("hold_open", number, seconds)
