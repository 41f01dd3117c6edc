"""Large payloads on the worker's side: a store that is away for a moment costs no attempt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from clearq.clock import boottime
from clearq.engine import Engine
from clearq.engine.calls import End, Given
from clearq.errors import ArtifactError, ArtifactMissing, StorageError
from clearq.functions.payloads import Payloads, blob_of
from clearq.periodic import end_tasks

log = logging.getLogger("clearq.worker")

#: Seconds in which a store is tried, and the longest pause between two tries. The parent keeps the lease meanwhile.
PATIENCE, PAUSE = 30.0, 5.0

#: Seconds after which what an attempt leaves is looked at: its end is stored by then.
SETTLED = 15.0


class Parcels(Payloads):
    """Arguments of claimed functions and their results."""

    def __init__(self, engine: Engine, patience: float = PATIENCE) -> None:
        super().__init__(engine)
        self._patience = patience
        self._jobs: set[asyncio.Task[None]] = set()

    async def arguments(self, given: Given) -> bytes:
        """What the reference in a claimed task names. Raises PayloadError; ArtifactError when patience is over."""
        return await self._insist(lambda: self.open(given.args, f"arguments of {given.fn}"))

    async def result(self, given: Given, data: bytes) -> bytes:
        """The reference to a large result. Raises as above."""
        name = f"result.{given.fence}"
        return await self._insist(lambda: self.keep(given.id, name, data, f"result of {given.fn}"))

    def settled(self, given: Given, end: End | None) -> None:
        """An attempt has ended: what it leaves may go. Does not wait for that to be noted."""
        blobs = [blob for data in (given.args, end.payload if end else b"") if (blob := blob_of(data)) is not None]
        job = asyncio.create_task(self.look_at(blobs, SETTLED), name="settled")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def close(self) -> None:
        """Note nothing more."""
        await end_tasks(*self._jobs)

    async def _insist(self, work: Callable[[], Awaitable[bytes]]) -> bytes:
        until, pause = boottime() + self._patience, 0.25
        while True:
            try:
                return await work()
            except ArtifactMissing:
                raise
            except (ArtifactError, StorageError) as error:
                if boottime() + pause > until:
                    raise
                log.warning("%s (trying again)", error)
            await asyncio.sleep(pause)
            pause = min(PAUSE, pause * 2)
