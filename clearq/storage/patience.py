"""Going on trying while the server is away, within bounds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from clearq.errors import ClearqError, StorageUnavailable
from clearq.settings import mask_url
from clearq.storage.failures import FAILURES, translate

log = logging.getLogger("clearq.storage")

T = TypeVar("T")

#: Starts the server again if it is ours and died.
Revive = Callable[[], Awaitable[None]]
#: Seconds between two tries of it.
REVIVE_PAUSE = 2.0


class Patience:
    """Sends again what met a cut connection; only for what may be repeated.

    ``seconds``: how long, unless a call says otherwise.
    """

    def __init__(self, url: str, seconds: float, revive: Revive | None = None) -> None:
        self._url = url
        self._seconds = seconds
        self._revive = revive
        self._revived = -REVIVE_PAUSE
        self.closed = False  #: nothing is sent any more

    def refuse_closed(self) -> None:
        """Raises StorageUnavailable when it is closed."""
        if self.closed:
            raise StorageUnavailable(f"The connection to {mask_url(self._url)} was closed; make a new one.")

    async def repeat(self, send: Callable[[], Awaitable[T]], seconds: float | None = None) -> T:
        """The answer of ``send``. Raises StorageUnavailable when it stays away, and other StorageErrors at once."""
        limit = self._seconds if seconds is None else seconds
        start, pause = time.monotonic(), 0.05
        while True:
            self.refuse_closed()
            try:
                return await cancellable(send)
            except FAILURES as error:
                translated = translate(error, self._url)
                if isinstance(translated, StorageUnavailable):
                    await self._call_for_help()
                left = limit - (time.monotonic() - start)
                if not isinstance(translated, StorageUnavailable) or left <= 0:
                    raise translated from error
                log.debug("server away, next try in %.2f s: %s", pause, error)
            await asyncio.sleep(min(pause, max(left, 0)))
            pause = min(pause * 2, 1.0)

    async def _call_for_help(self) -> None:
        """An embedded server that died has nobody to start it again but those who use it."""
        now = time.monotonic()
        if self._revive is None or now - self._revived < REVIVE_PAUSE:
            return
        self._revived = now
        try:
            await self._revive()
        except ClearqError as error:
            log.warning("%s", error)


async def cancellable(send: Callable[[], Awaitable[T]]) -> T:
    """Await ``send``; a cancellation that the driver swallowed (it does while it connects) is raised after it."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    answer = await send()
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return answer
