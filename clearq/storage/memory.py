"""A server in this process's memory, for users' tests: the same Lua, on fakeredis, by a clock that is passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

import redis.asyncio as redis

from clearq.clock import Clock
from clearq.errors import ConfigurationError
from clearq.models.queue import BUILTIN_QUEUES, slug
from clearq.settings import Settings
from clearq.storage import scripts
from clearq.storage.connection import Argument, Storage
from clearq.storage.keys import SCHEMA
from clearq.storage.wire import Bytes

#: How a script says that its first argument is the time; empty there means the server's clock.
_BY_TIME = "ARGV: now"


class MemoryServer:
    """An empty one, for any number of event loops. Raises ConfigurationError when fakeredis is not installed."""

    def __init__(self) -> None:
        try:
            from fakeredis import FakeServer
        except ImportError as error:
            raise ConfigurationError(
                "clearq.testing needs fakeredis with Lua: pip install 'fakeredis[lua]'."
            ) from error
        self.fake = FakeServer(version=(7,))
        self._seen: float | None = None
        self._sleepers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @contextmanager
    def sleeper(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever something may have changed."""
        event = asyncio.Event()
        self._sleepers[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            del self._sleepers[event]

    def passed(self, now: float) -> int:
        """Milliseconds since this was asked last."""
        last, self._seen = self._seen, now
        return 0 if last is None else int((now - last) * 1000)

    def stir(self) -> None:
        """Something has changed."""
        for event, loop in list(self._sleepers.items()):
            with suppress(RuntimeError):  # that loop was closed
                loop.call_soon_threadsafe(event.set)


class MemoryStorage(Storage):
    """Storage on such a server. ``now`` answers seconds since the epoch: transitions go by it.

    Keys expire by it, and by real time as well.
    """

    def __init__(self, settings: Settings, server: MemoryServer, now: Clock) -> None:
        from fakeredis import FakeAsyncRedis

        super().__init__(settings, "redis://memory")
        text: dict[str, Any] = {"protocol": 2, "decode_responses": True, "encoding_errors": "surrogateescape"}
        self._client: redis.Redis = FakeAsyncRedis(server=server.fake, **text)
        self._blocking: redis.Redis = FakeAsyncRedis(server=server.fake, **text)
        self._bytes: redis.Redis = FakeAsyncRedis(server=server.fake, protocol=2)
        self._server = server
        self._now = now
        self._passing = asyncio.Lock()

    @classmethod
    async def open(cls, settings: Settings, server: MemoryServer, now: Clock) -> Self:
        """Connect and prepare the namespace."""
        storage = cls(settings, server, now)
        await storage.script("init", "", SCHEMA, *(text for name in BUILTIN_QUEUES for text in (name, slug(name))))
        return storage

    async def close(self) -> None:
        """Close the connections; the server keeps what it has. Safe to call twice."""
        for client in (self._client, self._blocking, self._bytes):
            await client.aclose()

    async def command(self, *arguments: Argument, patience: float | None = None) -> Any:
        """One command that does not block."""
        if arguments == ("TIME",):
            return self._time()
        await self._pass_time()
        return await super().command(*arguments, patience=patience)

    async def commands(self, batch: Sequence[tuple[Argument, ...]], patience: float | None = None) -> list[Any]:
        """Several commands in one round trip."""
        await self._pass_time()
        answers = await super().commands(batch, patience)
        return [self._time() if asked == ("TIME",) else answer for asked, answer in zip(batch, answers, strict=True)]

    async def script(self, name: str, *arguments: Argument, patience: float | None = None) -> Any:
        """Run one transition at the clock's time."""
        return await self._run(self._client, name, arguments)

    async def hot(self, name: str, *arguments: Bytes, patience: float | None = None) -> Any:
        """The same, in bytes."""
        return await self._run(self._bytes, name, arguments)

    async def warm(self, *names: str) -> None:
        """There is nothing to make ready."""

    async def _run(self, client: redis.Redis, name: str, arguments: Sequence[Argument]) -> Any:
        await self._pass_time()
        script = scripts.load(name)
        given = list(arguments)
        if given and given[0] == "" and _BY_TIME in script.source:
            given[0] = int(self._now() * 1000)
        try:
            return await client.eval(script.source, 1, self.keys.meta, *given)
        finally:
            self._server.stir()

    async def block(self, *arguments: Argument, timeout: float) -> Any:
        """One blocking command. The bell is waited for without fakeredis, which does not let go when cancelled."""
        if arguments[0] != "BLPOP":
            return await super().block(*arguments, timeout=timeout)
        _, *keys, _ = arguments
        with self._server.sleeper() as changed, suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    for key in keys:
                        if (value := await self.command("LPOP", key)) is not None:
                            return [key, value]
                    await changed.wait()
                    changed.clear()
        return None

    async def bell(self, *keys: str, timeout: float) -> tuple[str, bytes] | None:
        """Wait for an entry of one of the lists and take it."""
        answer = await self.block("BLPOP", *keys, timeout, timeout=timeout)
        return (str(answer[0]), str(answer[1]).encode("utf-8", "surrogateescape")) if answer else None

    async def _pass_time(self) -> None:
        """Let keys expire by as much earlier as the clock has moved."""
        async with self._passing:  # nobody looks before all has expired that must
            passed = self._server.passed(self._now())
            if passed <= 0 or not (keys := await super().command("KEYS", "*")):
                return
            left = await super().commands([("PTTL", key) for key in keys])
            expiring = [(key, ms - passed) for key, ms in zip(keys, left, strict=True) if ms >= 0]
            if expiring:
                await super().commands([("PEXPIRE", key, ms) if ms > 0 else ("DEL", key) for key, ms in expiring])

    def _time(self) -> list[str]:
        now = self._now()
        return [str(int(now)), str(int(now % 1 * 1_000_000))]
