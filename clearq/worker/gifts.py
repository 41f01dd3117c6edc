"""Functions that are given to this process while it waits: heard of, counted, and found again when a word was lost.

Whoever enqueues a function claims it for a worker that waits, in the same script, and puts it into the worker's list
``given:<w>``: it begins one round trip earlier than one that the worker has to fetch. The server counts what it gives,
so a gap in the numbers, a cut line or the parent's word tells that something is missing; then one question answers
for all of it (:meth:`Gifts.find`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from clearq.engine.calls import Gift, Given
from clearq.engine.functions import Functions
from clearq.errors import StorageError
from clearq.worker.page import Page

#: Seconds that one wait for a word lasts.
LISTEN = 30.0

#: Seconds of rest after a wait that failed: the first, and at most.
PAUSE_FIRST, PAUSE_MOST = 0.1, 2.0


class Gifts:
    """Calls ``take`` with each, and ``look`` when this process is rung or something is missing."""

    def __init__(
        self,
        functions: Functions,
        holder: str,
        page: Page,
        take: Callable[[Given], None],
        look: Callable[[], None],
    ) -> None:
        self._functions, self._holder, self._page = functions, holder, page
        self._take, self._look = take, look
        self.taken = 0  #: number of the last one that was heard of
        self.astray = False  #: something may be missing: ask with :meth:`find`
        self._found = 0  #: up to here, what is still heard is old news
        self._listening: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Listen until :meth:`end`; again, on a new line, when it listens already."""
        if self._listening is not None:
            self._listening.cancel()
        self._listening = asyncio.create_task(self.listen(), name="bell")

    async def end(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None

    async def listen(self) -> None:
        """Until cancelled."""
        pause = PAUSE_FIRST
        while True:
            try:
                heard = await self._functions.listen(self._holder, LISTEN)
                pause = PAUSE_FIRST
            except StorageError:
                self._miss()
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSE_MOST)
                continue
            if heard is True:
                self._look()
            elif heard:
                self.hear(heard)

    def told(self, count: int) -> None:
        """The server has given so many, says the parent's heartbeat."""
        if count > self.taken:
            if self._listening is not None:
                self.begin()  # the line may be dead though nobody has closed it: each word would wait for a heartbeat
            self._miss()

    async def find(self) -> dict[str, str]:
        """Task id to fence of all that this process answers for. Raises StorageError."""
        self.astray, before = False, self.taken
        try:
            held = await self._functions.held(self._holder)
        except StorageError:
            self.astray = True
            raise
        # A server that knows of fewer than we had heard of has come back without its last writes: it gives those
        # numbers once more, and what comes with them is no old news.
        forgot = held.last < before
        self._found = self.taken = self._page.taken = held.last if forgot else max(self.taken, held.last)
        return held.fences

    def hear(self, gift: Gift) -> None:
        """One was given to us."""
        number = gift.number
        if number <= self._found:
            return
        # First say that it is taken, then look whether it was withdrawn: the parent does the same the other way
        # round, so at least one of the two sees the other.
        self._page.taken = number
        missing, self.taken = number != self.taken + 1, max(number, self.taken)
        if number <= self._page.withdrawn:
            self._miss()
            return
        self._take(gift.given)
        if missing:
            self._miss()

    def _miss(self) -> None:
        self.astray = True
        self._look()
