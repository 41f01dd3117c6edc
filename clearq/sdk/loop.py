"""One background thread with one asyncio loop: where the blocking face speaks to the engine."""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.thread  # registers its own end before ours: see call_before_shutdown
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from clearq.errors import UsageError

T = TypeVar("T")

#: The parent's loop and thread, seen from a forked child: kept, as collecting them would close sockets.
_abandoned: list[object] = []


def call_before_shutdown(work: Callable[[], object]) -> None:
    """Call ``work`` when the main thread has ended, while threads and executors can still be used.

    ``atexit`` comes after that point: what was not imported, resolved or started by then never can be.
    """
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        with contextlib.suppress(RuntimeError):  # that point has passed
            register(work)


class _Loop(asyncio.SelectorEventLoop):
    """Resolves names also while the interpreter shuts down, when no thread may be started any more."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        try:
            return await super().getaddrinfo(host, port, **options)
        except RuntimeError:
            return socket.getaddrinfo(host, port, **options)


class BackgroundLoop:
    """Starts its thread on first use; a forked child starts one of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: _Loop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> asyncio.AbstractEventLoop:
        """The running loop."""
        with self._lock:
            if self._loop is None:
                loop = _Loop()
                self._thread = threading.Thread(target=self._main, args=(loop,), name="clearq", daemon=True)
                self._thread.start()
                self._loop = loop
            return self._loop

    @staticmethod
    def _main(loop: _Loop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    @property
    def running(self) -> bool:
        """Has it been started in this process?"""
        return self._loop is not None

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run ``work`` in the background."""
        return asyncio.run_coroutine_threadsafe(work, self.start())

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run ``work`` and wait for its result. Raises :class:`TimeoutError` after ``timeout`` seconds."""
        if threading.current_thread() is self._thread:
            work.close()
            raise UsageError("a blocking call was made on clearq's own background thread")
        future = self.submit(work)
        try:
            return future.result(timeout)
        except (TimeoutError, KeyboardInterrupt):
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and its thread; whatever still runs in it is cancelled."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or not thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).add_done_callback(
            lambda _: loop.call_soon_threadsafe(loop.stop)
        )
        thread.join(2.0)

    def forget(self) -> None:
        """In a forked child: the thread was not copied, and its loop belongs to the parent."""
        _abandoned.append((self._loop, self._thread))
        self._lock = threading.Lock()
        self._loop = self._thread = None


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


#: The process's one background loop.
background = BackgroundLoop()

os.register_at_fork(after_in_child=background.forget)
