"""Progress that functions tell of, sent on in batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from clearq.engine import Engine
from clearq.errors import ClearqError

log = logging.getLogger("clearq.worker")

#: Seconds in which only the last word of each task counts.
EVERY = 0.5


class Progress:
    """Collects what is said from any thread, and sends the last of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._said: dict[str, tuple[float, str]] = {}
        self._sender: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()

    def report_of(self, id: str) -> Callable[[float, str], None]:
        """What the context of task ``id`` calls."""
        return _Report(self, id)

    def say(self, id: str, fraction: float, text: str = "") -> None:
        """From the loop's own thread."""
        self._said[id] = fraction, text
        if self._sender is None or self._sender.done():
            self._sender = self._loop.create_task(self._send(), name="progress")

    def say_from_anywhere(self, id: str, fraction: float, text: str = "") -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self.say, id, fraction, text)

    async def flush(self) -> None:
        """Send what was said until now."""
        await asyncio.sleep(0)  # from threads, too
        await self._send_said()

    async def close(self) -> None:
        """Send nothing more."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send(self) -> None:
        while self._said:
            await self._send_said()
            await asyncio.sleep(EVERY)

    async def _send_said(self) -> None:
        async with self._sending:
            said, self._said = self._said, {}
            for id, (fraction, text) in said.items():
                try:
                    await self._engine.tasks.set_progress(id, int(fraction * 100), text)
                except ClearqError as error:
                    log.debug("progress of %s: %s", id, error)


class _Report:
    """A function with two words of state: cheaper than a closure for the many tasks that never report."""

    __slots__ = ("_id", "_progress")

    def __init__(self, progress: Progress, id: str) -> None:
        self._progress, self._id = progress, id

    def __call__(self, fraction: float, text: str = "") -> None:
        self._progress.say_from_anywhere(self._id, fraction, text)
