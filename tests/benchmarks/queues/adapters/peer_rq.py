"""rq: plain functions, run in the worker's own process; bulk by one pipeline; results are kept by default."""

from __future__ import annotations

import logging
import time

import probe
from redis import Redis
from rq import Queue, SimpleWorker

connection = Redis.from_url(probe.URL)
queue = Queue(connection=connection)


def noop() -> None:
    probe.ran()


def stamp() -> float:
    return time.monotonic()


def hold_open(number: int, seconds: float) -> None:
    probe.began(number)
    time.sleep(seconds)


def connect() -> None:
    """Connections are made on first use."""


def close() -> None:
    connection.close()


def single(count: int) -> None:
    for _ in range(count):
        queue.enqueue("peer_rq.noop")


def bulk(count: int) -> None:
    for _ in range(0, count, 1000):
        queue.enqueue_many([Queue.prepare_data("peer_rq.noop") for _ in range(min(1000, count))])


def trips(count: int) -> list[tuple[float, float]]:
    spent = []
    for _ in range(count):
        begun = time.monotonic()
        done = queue.enqueue("peer_rq.stamp").latest_result(timeout=10)
        spent.append((done.return_value - begun, time.monotonic() - begun))
        time.sleep(0.002)
    return spent


def hold(count: int, seconds: float) -> None:
    for number in range(count):
        queue.enqueue("peer_rq.hold_open", number, seconds)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    SimpleWorker([queue], connection=connection).work(logging_level="ERROR")
