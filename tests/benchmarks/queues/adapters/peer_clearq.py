"""clearq, by its public face."""

from __future__ import annotations

import asyncio
import time

import probe

from clearq import Clearq

app = Clearq(probe.URL)


@app.task(name="noop")  # as short as the peers'
async def noop() -> None:
    probe.ran()


@app.task
async def stamp() -> float:
    return time.monotonic()


@app.task
async def hold_open(number: int, seconds: float) -> None:
    probe.began(number)
    await asyncio.sleep(seconds)


async def connect() -> None:
    await app.client()


async def close() -> None:
    await app.close()


async def single(count: int) -> None:
    for _ in range(count):
        await noop.enqueue()


async def bulk(count: int) -> None:
    await app.enqueue_many(noop.call() for _ in range(count))


async def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        started = await (await stamp.enqueue()).result(10)
        spent.append((started - begun, time.monotonic() - begun))
        await asyncio.sleep(0.002)
    return spent


async def hold(count: int, seconds: float) -> None:
    for number in range(count):
        await hold_open.enqueue(number, seconds)
