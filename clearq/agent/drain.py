"""Give cards back when they are seen clean: after our own task one clean probe is enough."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clearq.agent.gpu_locks import GpuLocks
from clearq.agent.gpus import Nvml
from clearq.agent.watch import persist
from clearq.engine import Engine
from clearq.periodic import end_tasks

log = logging.getLogger("clearq.agent.gpus")

#: Seconds between two probes of a card that drains, and when a warning is due.
PROBE, WARN_AFTER = 0.1, 10.0


@dataclass(frozen=True)
class Drained:
    """Cards of one ended attempt."""

    task: str
    fence: str
    gpus: tuple[str, ...]


@dataclass
class Drain:
    """Watches cards of ended attempts; ``changed`` is called when some are free again."""

    engine: Engine
    host_id: str
    nvml: Nvml
    changed: Callable[[], None]
    _jobs: dict[Drained, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def busy(self) -> frozenset[str]:
        """Cards that drain now."""
        return frozenset(uuid for drained in self._jobs for uuid in drained.gpus)

    def begin(self, drained: Drained, locks: GpuLocks | None = None) -> None:
        """Free these cards as soon as they are clean; ``locks`` are let go of then. Harmless when repeated."""
        if not drained.gpus or drained in self._jobs:
            if locks is not None:
                locks.close()
            return
        job = asyncio.create_task(self._free(drained, locks), name=f"drain {' '.join(drained.gpus)}")
        self._jobs[drained] = job
        job.add_done_callback(lambda _: self._done(drained))

    def begin_all(self, held: dict[str, str], mine: Sequence[str]) -> None:
        """Take care of cards among ``mine`` that some ended attempt of this host left draining.

        ``held``: UUID to ``<task> <fence>`` or ``draining <task> <fence>``.
        """
        left: dict[tuple[str, str], list[str]] = {}
        for uuid in mine:
            words = held.get(uuid, "").split()
            if len(words) == 3 and words[0] == "draining":
                left.setdefault((words[1], words[2]), []).append(uuid)
        for (task, fence), uuids in left.items():
            if not self.busy & set(uuids):
                self.begin(Drained(task, fence, tuple(uuids)))

    async def finish(self) -> None:
        """Wait until all cards are given back."""
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)

    async def close(self) -> None:
        """Stop watching; the cards stay marked for the next agent of this host."""
        await end_tasks(*self._jobs.values())

    async def _free(self, drained: Drained, locks: GpuLocks | None) -> None:
        try:
            await self._clean(drained.gpus)
            await persist(
                "giving GPUs back",
                lambda: self.engine.attempts.free_gpus(self.host_id, drained.task, drained.fence),
            )
        finally:
            if locks is not None:
                locks.close()

    async def _clean(self, uuids: tuple[str, ...]) -> None:
        waited = 0.0
        while dirty := await asyncio.to_thread(self._dirty, uuids):
            await asyncio.sleep(PROBE)
            waited += PROBE
            if WARN_AFTER <= waited < WARN_AFTER + PROBE:
                log.warning("GPU %s is still in use after its task ended; it is kept back", ", ".join(dirty))

    def _dirty(self, uuids: tuple[str, ...]) -> list[str]:
        return [uuid for uuid in uuids if not self.nvml.usage(uuid).clean]

    def _done(self, drained: Drained) -> None:
        job = self._jobs.pop(drained, None)
        if job is not None and not job.cancelled() and (error := job.exception()) is not None:
            log.error("GPUs %s could not be given back", ", ".join(drained.gpus), exc_info=error)
        self.changed()
