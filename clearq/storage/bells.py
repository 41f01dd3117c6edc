"""Waiting for bells, each on a thin connection of its own: it is what a latency is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from clearq.errors import StorageUnavailable
from clearq.settings import mask_url
from clearq.storage.failures import FAILURES, translate
from clearq.storage.wire import Wire


class Bells:
    """Connections that wait, and those that have waited and may do so again. ``connect`` makes a new one."""

    def __init__(self, url: str, answer_within: float, connect: Callable[[], Awaitable[Wire]]) -> None:
        self._url = url
        self._answer_within = answer_within
        self._connect = connect
        self._all: set[Wire] = set()
        self._idle: list[Wire] = []

    async def wait(self, keys: Sequence[str], timeout: float) -> tuple[str, bytes] | None:
        """The first entry of the first of the lists that has one, taken, and which; None if none came.

        Raises StorageUnavailable.
        """
        wire: Wire | None = None
        try:
            async with asyncio.timeout(timeout + self._answer_within):
                wire = self._kept() or await self._connect()
                self._all.add(wire)
                answer = await wire.call("BLPOP", *keys, str(timeout))
        except BaseException as error:
            if wire is not None:
                self._all.discard(wire)
                wire.close()
            if isinstance(error, TimeoutError):
                raise StorageUnavailable(f"No answer from {mask_url(self._url)}.") from error
            if isinstance(error, FAILURES):
                raise translate(error, self._url) from error
            raise
        if wire.open:
            self._idle.append(wire)
        return (answer[0].decode(), answer[1]) if answer else None

    def close(self) -> None:
        """Close all; those who wait get StorageUnavailable."""
        for wire in self._all:
            wire.close()

    def _kept(self) -> Wire | None:
        while self._idle:
            wire = self._idle.pop()
            if wire.open:
                return wire
            self._all.discard(wire)
        return None
