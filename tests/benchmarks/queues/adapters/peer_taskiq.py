"""taskiq-redis: streams, its one broker with acknowledgements; results are an option."""

from __future__ import annotations

import asyncio
import time

import probe
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

broker = RedisStreamBroker(probe.URL)
if probe.RESULTS:
    broker = broker.with_result_backend(RedisAsyncResultBackend(probe.URL))


@broker.task(task_name="noop")
async def noop() -> None:
    probe.ran()


@broker.task(task_name="stamp")
async def stamp() -> float:
    return time.monotonic()


@broker.task(task_name="hold_open")
async def hold_open(number: int, seconds: float) -> None:
    probe.began(number)
    await asyncio.sleep(seconds)


async def connect() -> None:
    await broker.startup()


async def close() -> None:
    await broker.shutdown()


async def single(count: int) -> None:
    for _ in range(count):
        await noop.kiq()


async def bulk(count: int) -> None:
    for _ in range(0, count, 100):
        await asyncio.gather(*(noop.kiq() for _ in range(min(100, count))))


async def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        task = await stamp.kiq()
        done = await task.wait_result(check_interval=0.005, timeout=10)
        spent.append((done.return_value - begun, time.monotonic() - begun))
        await asyncio.sleep(0.002)
    return spent


async def hold(count: int, seconds: float) -> None:
    for number in range(count):
        await hold_open.kiq(number, seconds)
