"""A thin layer over the protocol for the hot path: pack, send, parse with hiredis, one future a command.

The general client spends most of a small command in bookkeeping that a queue does not need. This one knows one
connection, pipelines whatever is asked for concurrently, and takes and answers bytes. It repeats nothing and
reconnects only when asked; :class:`~clearq.storage.connection.Storage` owns both decisions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

Bytes = bytes | str | int


class ReplyError(Exception):
    """The server answered an error."""


def pack(arguments: Sequence[Bytes]) -> bytes:
    """A command as the protocol wants it."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        if not argument and argument != 0:
            parts.append(b"$0\r\n\r\n")
            continue
        if isinstance(argument, str):
            argument = argument.encode("utf-8", "surrogateescape")
        elif isinstance(argument, int):
            argument = b"%d" % argument
        parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


class Wire(asyncio.Protocol):
    """One connection. ``await wire.call(...)`` may be used by many tasks at once; answers come in order."""

    def __init__(self, patience: float = 10.0) -> None:
        self._patience = patience  #: seconds after which a server that answers nothing is taken for gone
        self._watch: asyncio.TimerHandle | None = None
        self._answers = 0
        self._reader = hiredis.Reader(replyError=ReplyError)
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._buffer: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._flushing = False

    @classmethod
    async def connect(
        cls, url: str, timeout: float, context: ssl.SSLContext | None = None, patience: float = 10.0
    ) -> Wire:
        """Open and authenticate. Raises OSError, TimeoutError or ReplyError.

        An answer that takes longer than ``patience`` (up to twice that) closes the connection.
        """
        loop = asyncio.get_running_loop()
        make = partial(cls, patience)
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        wire: Wire | None = None
        try:
            async with asyncio.timeout(timeout):
                if parts.scheme == "unix":
                    _, wire = await loop.create_unix_connection(make, unquote(parts.path))
                    database = query.get("db", ["0"])[0]
                else:
                    host, port = parts.hostname or "localhost", parts.port or 6379
                    _, wire = await loop.create_connection(make, host, port, ssl=context)
                    database = parts.path.strip("/") or query.get("db", ["0"])[0]
                if parts.password:
                    user = [unquote(parts.username)] if parts.username else []
                    await wire.call("AUTH", *user, unquote(parts.password))
                if database != "0":
                    await wire.call("SELECT", database)
        except BaseException:
            if wire is not None:
                wire.close()
            raise
        return wire

    @property
    def open(self) -> bool:
        """Can it still be used?"""
        return self._transport is not None and not self._transport.is_closing()

    def call(self, *arguments: Bytes) -> asyncio.Future[Any]:
        """Send one command; the future has its answer. Commands of one loop turn leave in one write."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self.open:
            future.set_exception(ConnectionError("the connection is closed"))
            return future
        self._waiting.append(future)
        self._buffer.append(pack(arguments))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience, self._look, self._answers)
        return future

    def call_at_once(self, *arguments: Bytes) -> asyncio.Future[Any]:
        """:meth:`call` for the last one of this loop turn: it leaves now, with what waits to leave."""
        future = self.call(*arguments)
        self._flush()
        return future

    def _look(self, before: int) -> None:
        """A timer for the whole connection is cheaper than one for each command."""
        self._watch = None
        if not self._waiting:
            return
        if self._answers == before:
            self.close()
        else:
            self._watch = self._loop.call_later(self._patience, self._look, self._answers)

    def close(self) -> None:
        """Close; whoever waits gets ConnectionError."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        self._flushing = False
        if not self._buffer:
            return
        data, self._buffer = b"".join(self._buffer), []
        if self._transport is not None:
            self._transport.write(data)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not False:
            future = self._waiting.popleft()
            self._answers += 1
            if future.done():
                continue
            if isinstance(answer, ReplyError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(ConnectionError(str(error or "the server closed the connection")))
