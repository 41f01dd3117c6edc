"""A supervisor's hold on its attempt: heartbeats, the bell, and what they bring (stop, or that it is lost)."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from clearq.agent.watch import RETRY_FIRST, RETRY_MOST
from clearq.clock import MonotonicClock, boottime
from clearq.engine import Engine
from clearq.errors import NotFoundError, Stale, StorageError
from clearq.periodic import Duties, Duty, end_tasks

log = logging.getLogger("clearq.agent")

#: No claimed work starts later than so many seconds after sending the last acknowledged beat.
START_WINDOW = 10.0

#: Seconds that one wait for the bell lasts.
BELL = 30.0

T = TypeVar("T")


class Interrupted(Exception):
    """The attempt was asked to stop, or is no longer ours."""


class Lease:
    """One holder's lease on one attempt. Use :meth:`kept` around the work.

    ``stop``: somebody asked for the end. ``lost``: the fence is no longer valid, nothing may be reported.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        task: str,
        fence: str,
        holder: str,
        heartbeat: float,
        clock: MonotonicClock = boottime,
    ) -> None:
        self._engine = engine
        self._task, self._fence, self._holder = task, fence, holder
        self._heartbeat = heartbeat
        self._clock = clock
        self._sent = -math.inf  # when the last acknowledged beat was sent
        self._acknowledged = asyncio.Event()
        self._beat_now = asyncio.Event()
        self._ended = asyncio.Event()
        self.stop = False
        self.lost = False

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Beat and listen as long as the block runs."""
        duties = Duties()
        duties.start(Duty("lease", self._heartbeat, self._beat, wakes_on=self._beat_now))
        bell = asyncio.create_task(self._listen(), name="bell")
        try:
            yield
        finally:
            await end_tasks(bell)
            await duties.close()

    def ask_to_stop(self) -> None:
        """End the attempt as if the server had asked for it."""
        self.stop = True
        self._ended.set()

    @property
    def fresh(self) -> bool:
        """The server has heard from us lately: what we hold is still ours."""
        return self._clock() - self._sent < START_WINDOW

    async def until_fresh(self) -> None:
        """Wait until it is certain that the attempt is ours. Raises Interrupted when it is not."""
        while not self.fresh:
            self._acknowledged.clear()
            self._beat_now.set()
            await self.unless_ended(self._acknowledged.wait())
        if self._ended.is_set():
            raise Interrupted

    async def until_ended(self) -> None:
        """Until a stop is asked for or the attempt is lost."""
        await self._ended.wait()

    async def unless_ended(self, work: Coroutine[Any, Any, T]) -> T:
        """``work``, cancelled when the attempt ends first. Raises Interrupted then."""
        job = asyncio.create_task(work)
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({job, ended}, return_when=asyncio.FIRST_COMPLETED)
            if job.done():
                return job.result()
            raise Interrupted
        finally:
            await end_tasks(job, ended)

    async def _beat(self) -> float | None:
        sent = self._clock()
        try:
            beat = await self._engine.workers.beat(self._holder, {self._task: self._fence})
            if (beat.gone or self._task in beat.lost) and not await self._rejoin():
                self.lost = True
                self._ended.set()
                return None
        except StorageError as error:
            log.warning("no heartbeat: %s", error)
            return min(self._heartbeat, 1.0)
        self._sent = sent
        self._acknowledged.set()
        if self._task in beat.stop:
            self.ask_to_stop()
        return None

    async def _rejoin(self) -> bool:
        """We were thought dead. True: nobody else has the attempt, it goes on."""
        try:
            return await self._engine.attempts.rejoin(self._task, self._fence, self._holder)
        except (Stale, NotFoundError):
            return False

    async def _listen(self) -> None:
        pause = RETRY_FIRST
        while True:
            try:
                if await self._engine.workers.wait_bell(self._holder, BELL):
                    self._beat_now.set()
                pause = RETRY_FIRST
            except StorageError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST)
