"""Threads for plain functions. One that outlives its time is left behind, and never keeps the process alive."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_Job = tuple[Callable[[], Any], asyncio.Future[Any]]


class Threads:
    """As many threads as there is work at once, kept for the next. Used from one event loop."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._idle = 0
        self._loop = asyncio.get_running_loop()

    def run(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call ``work`` in a thread. Cancelling the future abandons the thread: it goes on, nobody listens."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._idle:
            self._idle -= 1
        else:
            threading.Thread(target=self._serve, name="clearq-function", daemon=True).start()
        self._jobs.put((work, future))
        return future

    def _serve(self) -> None:
        while True:
            work, future = self._jobs.get()
            value, error = None, None
            try:
                value = work()
            except BaseException as raised:  # noqa: BLE001  # whatever it is, it belongs to the caller
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._done, future, value, error)
            del work, future, value, error

    def _done(self, future: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
        self._idle += 1
        if future.done():
            return
        if error is None:
            future.set_result(value)
        elif isinstance(error, StopIteration):
            future.set_exception(RuntimeError("the function raised StopIteration"))
        else:
            future.set_exception(error)
