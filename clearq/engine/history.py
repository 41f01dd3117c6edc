"""The historian: samples every queue and worker now and then into capped streams."""

from __future__ import annotations

import secrets
from typing import Any

from clearq.engine.queues import Queues
from clearq.engine.seat import Seat
from clearq.engine.series import SAMPLE_INTERVAL, SAMPLES_KEPT, server_time
from clearq.engine.workers import Workers
from clearq.models.worker import Worker
from clearq.storage import Storage


class Historian:
    """One process keeps this duty at a time."""

    def __init__(self, storage: Storage, queues: Queues, workers: Workers) -> None:
        self._storage = storage
        self._queues = queues
        self._workers = workers
        self._seat = Seat(storage, "history", secrets.token_hex(6), SAMPLE_INTERVAL * 2.5)

    async def tick(self) -> float | None:
        """Take one sample of all, if this process has the duty."""
        if await self._seat.keep():
            await self.sample()
        return None

    async def sample(self) -> None:
        """Write one sample of every queue and worker."""
        now = await server_time(self._storage)
        batch: list[tuple[Any, ...]] = []
        for queue in await self._queues.list():
            oldest = 0.0 if queue.oldest is None else max(0.0, now - queue.oldest)
            values = {
                "waiting": queue.waiting + queue.delayed + queue.held,
                "oldest_wait": oldest,
                "running": queue.running,
                "workers": queue.workers,
            }
            batch.append(self._entry(("queue", queue.id), now, values))
        for worker in await self._workers.list():
            batch.append(self._entry(("worker", worker.info.label), now, _measured(worker)))
        await self._storage.commands(batch)
        await self._storage.commands(
            [("PEXPIRE", call[1], 7 * 86_400_000) for call in batch if ":series:worker:" in str(call[1])]
        )

    def _entry(self, name: tuple[str, str], now: float, values: dict[str, float]) -> tuple[Any, ...]:
        flat = [text for field, value in values.items() for text in (field, f"{value:.6g}")]
        key = self._storage.keys("series", *name)
        return ("XADD", key, "MAXLEN", "~", SAMPLES_KEPT, "*", "at", f"{now:.3f}", *flat)


def _measured(worker: Worker) -> dict[str, float]:
    metrics = worker.metrics
    return {
        "busy": len(worker.tasks),
        "slots": worker.info.slots,
        "cpu": metrics.get("cpu", 0.0),
        "memory": metrics.get("memory", 0.0),
        "gpu": metrics.get("gpu", 0.0),
    }
