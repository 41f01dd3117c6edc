"""A thin layer over the protocol for the hot path: pack, send, parse with hiredis, one future a command.

The general client spends most of a small command in bookkeeping that a queue does not need. This one knows one
connection, pipelines whatever is asked for concurrently, and takes and answers bytes. It repeats nothing and
reconnects only when asked; :class:`~clearq.storage.connection.Storage` owns both decisions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

Bytes = bytes | str | int


class ReplyError(Exception):
    """The server answered an error."""


def pack(arguments: Sequence[Bytes]) -> bytes:
    """A command as the protocol wants it."""
    whole: Any = tuple(arguments)
    try:
        packed: bytes = hiredis.pack_command(whole)
    except UnicodeEncodeError:  # half characters, as file names have them
        whole = tuple(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text for text in whole)
        packed = hiredis.pack_command(whole)
    return packed


class Awaited(Protocol):
    """Whoever waits for an answer: a future, or a function that is called at once."""

    def done(self) -> bool:
        """Is it wanted no more?"""

    def set_result(self, answer: Any, /) -> None:
        """The answer."""

    def set_exception(self, error: Exception, /) -> None:
        """Why there is none."""


class Then:
    """Calls a function with an answer, without the loop turn that a future takes."""

    __slots__ = ("set_exception", "set_result")

    def __init__(self, function: Callable[[Any], None]) -> None:
        self.set_result: Callable[[Any], None] = function
        self.set_exception: Callable[[Exception], None] = function

    def done(self) -> bool:
        """It is always wanted."""
        return False


class Wire(asyncio.Protocol):
    """One connection. ``await wire.call(...)`` may be used by many tasks at once; answers come in order."""

    def __init__(self, patience: float = 10.0) -> None:
        self._patience = patience  #: seconds after which a server that answers nothing is taken for gone
        self._watch: asyncio.TimerHandle | None = None
        self._answers = 0
        self._reader = hiredis.Reader(replyError=ReplyError)
        self._waiting: deque[Awaited] = deque()
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
        self._add(future, arguments)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        return future

    def call_now(self, *arguments: Bytes) -> asyncio.Future[Any]:
        """:meth:`call` that leaves at once: for one that comes alone. Only while the connection is :attr:`open`."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._add(future, arguments)
        self._flush()
        return future

    @property
    def idle(self) -> bool:
        """Can it be used, and waits for no answer?"""
        return not self._waiting and self.open

    def call_at_once(self, then: Callable[[Any], None], *arguments: Bytes) -> None:
        """Send one command now, with what waits to leave; ``then`` is called with its answer or an exception."""
        self._add(Then(then), arguments)
        self._flush()

    def _add(self, awaited: Awaited, arguments: Sequence[Bytes]) -> None:
        self._buffer.append(pack(arguments))
        self._waiting.append(awaited)
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience, self._look, self._answers)

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
        data, self._buffer = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer), []
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
