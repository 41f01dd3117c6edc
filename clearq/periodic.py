"""Periodic duties: a name, an interval and a ``tick``; one supervisor owns every loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from clearq.errors import ClearqError

log = logging.getLogger("clearq.periodic")


@dataclass(frozen=True)
class Duty:
    """Something done again and again.

    ``tick`` may return the seconds until it wants to be called next; ``None`` means ``interval``.
    """

    name: str
    interval: float
    tick: Callable[[], Awaitable[float | None]]
    wakes_on: asyncio.Event | None = None


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended; what they raised is dropped.

    Once is not enough: a driver that turns a cancellation into an error of its own (a connection being opened)
    leaves the task running.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)
    await asyncio.gather(*tasks, return_exceptions=True)


class Duties:
    """Runs duties side by side until closed. A tick that fails is logged and tried again, later each time."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, duty: Duty) -> None:
        """Begin ``duty``; its name must be free."""
        if duty.name in self._tasks:
            raise ValueError(f"a duty named {duty.name!r} runs already")
        self._tasks[duty.name] = asyncio.create_task(self._loop(duty), name=f"duty:{duty.name}")

    async def close(self) -> None:
        """End all duties and wait until they have ended."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        await end_tasks(*tasks)

    async def _loop(self, duty: Duty) -> None:
        failures = 0
        while True:
            try:
                delay = await duty.tick()
                failures = 0
            except ClearqError as error:
                failures += 1
                delay = min(30.0, 0.5 * 2**failures)
                log.warning("%s: %s (next try in %.0f s)", duty.name, error, delay)
            except Exception:  # a duty must outlive its own mistakes; the traceback is kept
                failures += 1
                delay = min(30.0, 2.0**failures)
                log.exception("%s failed", duty.name)
            await self._pause(duty, duty.interval if delay is None else delay)

    @staticmethod
    async def _pause(duty: Duty, delay: float) -> None:
        if duty.wakes_on is None:
            await asyncio.sleep(delay)
            return
        try:
            await asyncio.wait_for(duty.wakes_on.wait(), delay)
        except TimeoutError:
            return
        duty.wakes_on.clear()
