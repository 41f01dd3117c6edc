"""Machine metrics of a running task, in ClearML's place: ``:monitor:machine`` and ``:monitor:gpu``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from clearq.agent.gpus import Nvml
from clearq.engine import Engine
from clearq.errors import NotFoundError, Stale, StorageError
from clearq.executors.usage import UsageMeter
from clearq.models import ScalarPoint

#: Seconds from the start to the first sample, and between samples later.
FIRST, EVERY = 5.0, 30.0

MACHINE, GPU = ":monitor:machine", ":monitor:gpu"


class Sampler:
    """Reports what a task's tree uses. ``iteration`` is seconds since the task began to run."""

    def __init__(
        self, engine: Engine, task: str, fence: str, gpus: Iterable[str], members: Callable[[], Iterable[int]]
    ) -> None:
        self._engine, self._task, self._fence = engine, task, fence
        self._gpus, self._members = tuple(gpus), members
        self._meter, self._nvml = UsageMeter(), Nvml()

    async def run(self) -> None:
        """Sample until cancelled, or until the attempt is no longer ours. A server that is away misses some."""
        began = time.monotonic()
        pause = FIRST
        while True:
            await asyncio.sleep(pause)
            points = await asyncio.to_thread(self._read, int(time.monotonic() - began))
            try:
                await self._engine.metrics.report(self._task, points, fence=self._fence)
            except StorageError:
                pass
            except (Stale, NotFoundError):
                return
            pause = EVERY

    def _read(self, iteration: int) -> list[ScalarPoint]:
        usage = self._meter.sample(self._members())
        values = {
            (MACHINE, "cpu_usage"): usage.cpu,
            (MACHINE, "memory_used_gb"): usage.memory / 2**30,
            (MACHINE, "processes"): float(usage.processes),
        }
        for place, uuid in enumerate(self._gpus):
            card = self._nvml.usage(uuid)
            shown = {"utilization": card.utilization, "temperature": card.temperature, "power": card.power}
            if card.memory_used is not None:
                shown["mem_used_gb"] = card.memory_used / 2**30
            values |= {(GPU, f"gpu_{place}_{name}"): float(value) for name, value in shown.items() if value is not None}
        return [
            ScalarPoint(title=title, series=series, value=value, iteration=iteration)
            for (title, series), value in values.items()
        ]
