"""huey: plain functions; no bulk call; results are kept until they are read."""

from __future__ import annotations

import time

import probe
from huey import RedisHuey

huey = RedisHuey("bench", url=probe.URL, notify_result=True)


@huey.task()
def noop() -> int:
    probe.ran()
    return 0


@huey.task()
def stamp() -> float:
    return time.monotonic()


@huey.task()
def hold_open(number: int, seconds: float) -> None:
    probe.began(number)
    time.sleep(seconds)


def connect() -> None:
    """Connections are made on first use."""


def close() -> None:
    huey.storage.conn.close()


def single(count: int) -> None:
    for _ in range(count):
        noop()


def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        started = stamp()(blocking=True, timeout=10)
        spent.append((started - begun, time.monotonic() - begun))
        time.sleep(0.002)
    return spent


def hold(count: int, seconds: float) -> None:
    for number in range(count):
        hold_open(number, seconds)
