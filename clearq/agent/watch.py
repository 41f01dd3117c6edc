"""Wait for the end of a process that need not be our child, and go on trying while the server is away."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from clearq.errors import StorageError
from clearq.executors.proc import Identity, look

log = logging.getLogger("clearq.agent")

#: Seconds between two looks where the system cannot tell of a process's end.
POLL = 0.5

#: Seconds between two tries while the server is away, at first and at most.
RETRY_FIRST, RETRY_MOST = 0.2, 5.0

T = TypeVar("T")


async def wait_gone(process: Identity, within: float | None = None) -> None:
    """Until that very process has ended (a zombie has ended). Raises TimeoutError after ``within`` seconds."""
    async with asyncio.timeout(within):
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return
        except (AttributeError, OSError):  # macOS, an old kernel, out of descriptors
            await _poll(process)
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        try:
            if not _lives(process):
                return
            loop.add_reader(handle, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)


async def persist(what: str, call: Callable[[], Awaitable[T]]) -> T:
    """``call`` until the server answers. Errors other than the server's own come through at once."""
    pause = RETRY_FIRST
    while True:
        try:
            return await call()
        except StorageError as error:
            first = pause == RETRY_FIRST
            log.log(logging.WARNING if first else logging.DEBUG, "%s: %s (trying again)", what, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MOST)


async def _poll(process: Identity) -> None:
    while _lives(process):  # noqa: ASYNC110
        await asyncio.sleep(POLL)  # such a system has nothing that an event loop can await


def _lives(process: Identity) -> bool:
    found = look(process.pid)
    return found is not None and found.alive and found.identity == process
