"""celery: bulk by a group (one producer, not pipelined); results are an option."""

from __future__ import annotations

import time

import probe
from celery import Celery, group

app = Celery("peer_celery", broker=probe.URL, backend=probe.URL if probe.RESULTS else None)
app.conf.update(
    worker_prefetch_multiplier=128, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True
)


@app.task(name="noop", ignore_result=not probe.RESULTS)
def noop() -> None:
    probe.ran()


@app.task(name="stamp")
def stamp() -> float:
    return time.monotonic()


@app.task(name="hold_open")
def hold_open(number: int, seconds: float) -> None:
    probe.began(number)
    time.sleep(seconds)


def connect() -> None:
    """Connections are made on first use."""


def close() -> None:
    app.close()


def single(count: int) -> None:
    for _ in range(count):
        noop.apply_async()


def bulk(count: int) -> None:
    for _ in range(0, count, 1000):
        group(noop.s() for _ in range(min(1000, count))).apply_async()


def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        started = stamp.apply_async().get(timeout=10)
        spent.append((started - begun, time.monotonic() - begun))
        time.sleep(0.002)
    return spent


def hold(count: int, seconds: float) -> None:
    for number in range(count):
        hold_open.apply_async((number, seconds))
