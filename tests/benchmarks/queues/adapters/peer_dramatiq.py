"""dramatiq: plain functions in threads; no bulk call; results are an option."""

from __future__ import annotations

import logging
import time

import dramatiq
import probe
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

logging.disable(logging.INFO)
broker = RedisBroker(url=probe.URL)
if probe.RESULTS:
    broker.add_middleware(Results(backend=RedisBackend(url=probe.URL), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> int | None:
    probe.ran()
    return 0 if probe.RESULTS else None


@dramatiq.actor
def stamp() -> float:
    return time.monotonic()


@dramatiq.actor(time_limit=600_000)
def hold_open(number: int, seconds: float) -> None:
    probe.began(number)
    time.sleep(seconds)


def connect() -> None:
    """Connections are made on first use."""


def close() -> None:
    broker.close()


def single(count: int) -> None:
    for _ in range(count):
        noop.send()


def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        started = stamp.send().get_result(block=True, timeout=10_000)
        spent.append((started - begun, time.monotonic() - begun))
        time.sleep(0.002)
    return spent


def hold(count: int, seconds: float) -> None:
    for number in range(count):
        hold_open.send(number, seconds)
