"""Bounded history of queues and workers, kept as capped streams."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

from clearq.storage import Storage

#: Seconds between samples, and how many are kept: one day.
SAMPLE_INTERVAL = 15.0
SAMPLES_KEPT = 5_760


@dataclass(frozen=True)
class QueueSample:
    """A queue at one moment."""

    at: float
    waiting: float
    oldest_wait: float  #: seconds
    running: float
    workers: float


@dataclass(frozen=True)
class WorkerSample:
    """A worker at one moment. ``cpu``, ``memory`` and ``gpu`` in percent of its host's; 0 where not measured."""

    at: float
    busy: float  #: attempts it looks after
    slots: float
    cpu: float = 0.0
    memory: float = 0.0
    gpu: float = 0.0


Sample = TypeVar("Sample", QueueSample, WorkerSample)


async def read_series(storage: Storage, key: str, kind: type[Sample], since: float) -> list[Sample]:
    """Samples of the last ``since`` seconds, oldest first."""
    now = await server_time(storage)
    entries = await storage.command("XRANGE", key, str(max(0, int((now - since) * 1000))), "+")
    names = [field.name for field in fields(kind)]
    return [kind(**{name: float(entry.get(name, 0)) for name in names}) for _, entry in entries]


async def server_time(storage: Storage) -> float:
    """Seconds since the epoch by the server's clock."""
    whole, micro = await storage.command("TIME")
    return int(whole) + int(micro) / 1_000_000
