"""What a parent and its child say to each other: one JSON object a line over a socket pair."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import orjson

Message = dict[str, Any]


class Link(asyncio.Protocol):
    """One end. ``heard`` is called with every message, ``closed`` when the other end has gone."""

    def __init__(self, heard: Callable[[Message], None], closed: Callable[[], None]) -> None:
        self._heard, self._closed = heard, closed
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, end: socket.socket, heard: Callable[[Message], None], closed: Callable[[], None]) -> Link:
        """Speak over ``end``, which belongs to the link from now on."""
        end.setblocking(False)
        end.set_inheritable(False)  # what user code executes in our place must not seem to listen
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: cls(heard, closed), sock=end)
        return link

    def say(self, word: str, **values: object) -> None:
        """Send a message; nothing happens when the other end has gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(orjson.dumps({"say": word, **values}) + b"\n")

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heard(orjson.loads(line))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._closed()
