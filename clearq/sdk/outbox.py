"""The outbox of a run: everything it has to tell the server, sent in the background, in order.

The user's program only ever appends. While the server is away the outbox tries again for as long
as the program runs; :meth:`Outbox.flush` and :meth:`Outbox.close` wait within a bound.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from clearq.errors import (
    ClearqError,
    ConflictError,
    NotFoundError,
    Stale,
    StorageError,
    StorageUnavailable,
    UsageError,
)
from clearq.sdk.channels import Channel, Console, Deed, Deeds, Edits, Latest, Lease, Scalars
from clearq.sdk.connection import Connection
from clearq.sdk.loop import background

if TYPE_CHECKING:
    from clearq.engine import Engine

log = logging.getLogger("clearq.sdk")

#: Seconds that reports gather before they are sent together.
GATHER = 0.5
#: Seconds that a program waits at each value that it reports faster than the server can take them.
CROWDED_PAUSE = 0.002
#: Seconds from a failed try to the next: at first, and at most.
RETRY_FIRST, RETRY_MOST = 0.1, 2.0

#: Opens the run at the server and answers the right to report. Safe to repeat.
Opening = Callable[["Engine"], Awaitable[Lease]]


class Outbox:
    """Sends what the channels hold. Thread-safe; its coroutine runs in the background loop."""

    def __init__(
        self,
        connection: Connection,
        opening: Opening,
        *,
        on_first_use: Callable[[], None] | None = None,
    ) -> None:
        self.scalars = Scalars()
        self.console = Console()
        self.edits = Edits()
        self.deeds = Deeds()
        self.singles = Latest(_put_single)
        self.progress = Latest(_put_progress)
        self.lease: Lease | None = None
        #: Set when the run is known at the server, or when it is clear that the server is away.
        self.tried = threading.Event()
        #: The task was given to somebody else: nothing of this run is taken any more.
        self.stale = False
        #: The server was reached by the last try, and does not take reports (it is full).
        self.refused = False
        self._connection = connection
        self._opening = opening
        self._on_first_use = on_first_use
        self._awake = False
        self._hurry = False
        self._away = False
        self._wake: asyncio.Event | None = None
        self._empty: asyncio.Event | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def channels(self) -> tuple[Channel, ...]:
        """In the order in which they are sent."""
        return (self.edits, self.deeds, self.scalars, self.singles, self.progress, self.console)

    @property
    def pending(self) -> int:
        """How many entries wait, the opening included."""
        if self.stale:
            return 0
        return (self.lease is None) + sum(channel.pending for channel in self.channels)

    def wake(self) -> None:
        """There is something to send. Cheap when the coroutine is awake already."""
        if not self._awake:
            self._awake = True
            if self._on_first_use is not None:
                first_use, self._on_first_use = self._on_first_use, None
                first_use()
            background.start().call_soon_threadsafe(self._rise)

    def add_scalar(self, title: str, series: str, value: float, iteration: int) -> None:
        """Report a value; costs its caller a few microseconds.

        A program that reports faster than a server that is there can take is slowed down instead of losing
        values; while the server is away it is not.
        """
        self.scalars.add(title, series, value, iteration)
        self.wake()
        if self.scalars.crowded and not self._away and self.lease is not None:
            self._hurry = True
            time.sleep(CROWDED_PAUSE)

    def hurry(self) -> None:
        """Send what waits without letting more gather first; returns at once."""
        self._hurry = True
        background.start().call_soon_threadsafe(self._rise)

    def flush(self, timeout: float) -> bool:
        """Wait until all reports have been sent; ``False`` when ``timeout`` seconds did not suffice."""
        try:
            background.run(self._flushed(), timeout)
        except TimeoutError:
            return False
        return not self.pending

    def close(self, ending: Deed | None, timeout: float) -> bool:
        """Send all that waits, then do ``ending``; ``False`` when ``timeout`` seconds did not suffice."""
        try:
            return background.run(self._close(ending), timeout)
        except (TimeoutError, KeyboardInterrupt):  # who presses Ctrl-C again does not want to wait
            return False
        finally:
            background.run(self._stop())

    def warn_of_losses(self) -> None:
        """Say how many reports the bounds of memory have cost, if any."""
        if self.scalars.dropped or self.console.dropped:
            log.warning(
                "clearq: %d scalar values and %d console lines were dropped: the server was away too long",
                self.scalars.dropped,
                self.console.dropped,
            )

    def _rise(self) -> None:
        if self._wake is None or self._empty is None:
            self._wake, self._empty = asyncio.Event(), asyncio.Event()
        self._wake.set()
        self._empty.clear()
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._run(self._wake, self._empty))

    async def _run(self, wake: asyncio.Event, empty: asyncio.Event) -> None:
        while True:
            await wake.wait()
            wake.clear()
            if not self._hurry and self.lease is not None:
                await _pause(wake, GATHER, lambda: self._hurry)
            self._awake = False
            await self._deliver(wake)
            if not self.pending:
                self._hurry = False
                empty.set()

    async def _deliver(self, wake: asyncio.Event) -> None:
        """Send until nothing waits."""
        delay = RETRY_FIRST
        while self.pending:
            try:
                await self._send()
                self._seen()
                delay = RETRY_FIRST
            except Exception as error:  # the outbox must not die: the program may run for days
                self._missed(error)
                log.debug("clearq: the error in full", exc_info=True)
                await asyncio.sleep(delay)
                delay = min(RETRY_MOST, delay * 2)

    async def _send(self) -> None:
        engine = await self._connection.engine()
        if self.lease is None:
            try:
                self.lease = await self._opening(engine)
                self.tried.set()
            except (ConflictError, UsageError, NotFoundError) as error:
                self.refuse(str(error))
                return
        for channel in self.channels:
            if channel.pending and not self.stale:
                await self._send_from(channel, engine, self.lease)

    async def _send_from(self, channel: Channel, engine: Engine, lease: Lease) -> None:
        try:
            await channel.send(engine, lease)
        except StorageError:
            raise
        except Stale:
            self.refuse("the task was given to another attempt")
        except ClearqError as error:
            channel.discard()
            log.warning("clearq: a report was refused and is dropped: %s", error)
        except Exception as error:  # the outbox must not die of one report
            channel.discard()
            log.warning("clearq: a report could not be sent and is dropped: %s", error)
            log.debug("clearq: the error in full", exc_info=True)

    def refuse(self, why: str) -> None:
        """Nothing of this run is taken by the server any more: give up what waits."""
        self.tried.set()
        if not self.stale:
            self.stale = True
            log.warning("clearq: nothing more of this run is recorded: %s", why)

    def _missed(self, error: Exception) -> None:
        self.refused = not isinstance(error, StorageUnavailable)
        if not self._away:
            self._away = True
            log.warning("clearq: %s; this program goes on, its reports follow when the server is back", error)
        self.tried.set()

    def _seen(self) -> None:
        self.refused = False
        if self._away:
            self._away = False
            log.warning("clearq: the server is back")

    async def _flushed(self) -> None:
        if self.pending:
            self._hurry = True
            self._awake = True
            self._rise()
            assert self._empty is not None  # noqa: S101  # made by _rise
            await self._empty.wait()

    async def _close(self, ending: Deed | None) -> bool:
        await self._flushed()
        if ending is None or self.stale or self.lease is None:
            return not self.pending
        self.deeds.add(ending)
        await self._flushed()
        return True

    async def _stop(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            self._pump = None


async def _pause(wake: asyncio.Event, seconds: float, enough: Callable[[], bool]) -> None:
    """Sleep, but not when hurried."""
    until = asyncio.get_running_loop().time() + seconds
    while not enough() and (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.wait_for(wake.wait(), left)
        except TimeoutError:
            return
        wake.clear()


async def _put_single(engine: Engine, lease: Lease, name: str, value: float) -> None:
    await engine.metrics.single_value(lease.task_id, name, value, fence=lease.fence)


async def _put_progress(engine: Engine, lease: Lease, name: str, value: float) -> None:
    await engine.tasks.set_progress(lease.task_id, int(value))
