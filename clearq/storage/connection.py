"""The one way to Redis or Valkey: commands, scripts, time-outs, repeats, and errors in clearq's words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import redis.asyncio as redis
from redis import exceptions as driver
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from clearq.errors import (
    ConfigurationError,
    SchemaMismatch,
    StorageDenied,
    StorageTooOld,
    StorageUnavailable,
)
from clearq.models.queue import BUILTIN_QUEUES, slug
from clearq.settings import Settings, mask_url
from clearq.storage import scripts
from clearq.storage.bells import Bells
from clearq.storage.failures import FAILURES, translate
from clearq.storage.keys import SCHEMA, Keys
from clearq.storage.patience import Patience, Revive, cancellable
from clearq.storage.wire import Bytes, ReplyError, Wire

log = logging.getLogger("clearq.storage")

Argument = str | int | float | bytes

#: Longer than any wait for a bell, which has its own limit.
DAY = 86400.0

#: Oldest Redis that has all commands used here.
OLDEST_SERVER = (6, 2)


class Storage:
    """Connections to one server and one namespace.

    Every script is safe to repeat (each carries an id, a fence or a request number), so a command that met a cut
    connection is sent again until ``settings.patience`` is over. The driver's own repeats are off: they would not
    know which calls may be repeated, nor when to stop.
    """

    def __init__(self, settings: Settings, url: str, revive: Revive | None = None) -> None:
        self.settings = settings
        self.url = url
        self._patience = Patience(url, settings.patience, revive)
        self.keys = Keys(settings.namespace)
        self._client = self._make_client(settings.command_timeout)
        self._blocking = self._make_client(None)
        self._wire: Wire | None = None
        self._wiring = asyncio.Lock()
        self._bells = Bells(url, settings.command_timeout, partial(self._new_wire, DAY))

    def _make_client(self, timeout: float | None) -> redis.Redis:
        tcp = {} if self.url.startswith("unix:") else {"socket_keepalive": True}
        try:
            return redis.Redis.from_url(
                self.url,
                protocol=2,
                decode_responses=True,
                encoding_errors="surrogateescape",
                socket_timeout=timeout,
                socket_connect_timeout=self.settings.connect_timeout,
                retry=Retry(NoBackoff(), 0),
                retry_on_error=[],
                health_check_interval=0,
                client_name="clearq",
                **tcp,
            )
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"CLEARQ_URL {mask_url(self.url)!r} cannot be used: {error}. "
                "It looks like redis://host:6379/0, rediss://host:6380/0 or unix:///path/to/socket."
            ) from error

    @classmethod
    async def connect(cls, settings: Settings, url: str, revive: Revive | None = None) -> Self:
        """Open, check the server and prepare the namespace. ``revive`` is called when the server goes away.

        Raises StorageUnavailable, StorageDenied, StorageTooOld, SchemaMismatch or ConfigurationError.
        """
        storage = cls(settings, url, revive)
        try:
            await storage._check_server()
            arguments = [text for name in BUILTIN_QUEUES for text in (name, slug(name))]
            word, schema = await storage.script("init", "", SCHEMA, *arguments)
            if word == "schema":
                raise SchemaMismatch(
                    f"The data in namespace {settings.namespace!r} has layout {schema}, this clearq writes layout "
                    f"{SCHEMA}. Install the clearq version that wrote it, or use another CLEARQ_NAMESPACE."
                )
        except BaseException:
            await storage.close()
            raise
        return storage

    async def _check_server(self) -> None:
        try:
            info: dict[str, Any] = await self.command("INFO", "server")
        except StorageDenied as error:
            if "info" in str(error).lower():
                return  # an ACL user without INFO: the scripts will tell
            raise
        version = str(info.get("redis_version", "0"))
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers < OLDEST_SERVER:
            raise StorageTooOld(
                f"The server at {mask_url(self.url)} is Redis {version}; clearq needs Redis 6.2 or Valkey. "
                "Upgrade it, or unset CLEARQ_URL to use the embedded server."
            )

    async def close(self) -> None:
        """Close all connections; what is still under way raises StorageUnavailable. Safe to call twice."""
        self._patience.closed = True  # else what is under way would repeat itself on a connection that nobody closes
        if self._wire is not None:
            self._wire.close()
        self._bells.close()
        await self._client.aclose()
        await self._blocking.aclose()

    async def command(self, *arguments: Argument, patience: float | None = None) -> Any:
        """One command that does not block."""
        return await self._patience.repeat(lambda: self._client.execute_command(*arguments), patience)  # type: ignore[no-untyped-call]

    async def commands(self, batch: Sequence[tuple[Argument, ...]], patience: float | None = None) -> list[Any]:
        """Several commands in one round trip; not atomic."""

        async def send() -> list[Any]:
            async with self._client.pipeline(transaction=False) as pipe:
                for arguments in batch:
                    pipe.execute_command(*arguments)
                return list(await pipe.execute())

        return await self._patience.repeat(send, patience) if batch else []

    async def script(self, name: str, *arguments: Argument, patience: float | None = None) -> Any:
        """Run one transition. ``arguments`` are its ARGV."""
        script = scripts.load(name)

        async def send() -> Any:
            try:
                return await self._client.evalsha(script.sha, 1, self.keys.meta, *arguments)
            except driver.NoScriptError:
                return await self._client.eval(script.source, 1, self.keys.meta, *arguments)

        return await self._patience.repeat(send, patience)

    async def hot(self, name: str, *arguments: Bytes, patience: float | None = None) -> Any:
        """Run one transition on the thin connection: takes and answers bytes. For what happens for every function."""
        script = scripts.load(name)
        if self._wire is not None and self._wire.idle:
            # The usual case, and the shortest way: all the rest below is for what goes wrong, and does it again.
            try:
                return await self._wire.call_now("EVALSHA", script.sha, 1, self.keys.meta, *arguments)
            except FAILURES as error:
                log.debug("once more: %s", error)

        async def send() -> Any:
            wire = self._wire if self._wire is not None and self._wire.open else await self._connect_wire()
            try:
                async with asyncio.timeout(self.settings.command_timeout):
                    return await wire.call("EVALSHA", script.sha, 1, self.keys.meta, *arguments)
            except TimeoutError:
                wire.close()  # its answer may still come and would be taken for the next one's
                raise
            except ReplyError as error:
                if not str(error).startswith("NOSCRIPT"):
                    raise
            return await wire.call("EVAL", script.source, 1, self.keys.meta, *arguments)

        return await self._patience.repeat(send, patience)

    async def warm(self, *names: str) -> None:
        """Make ready what :meth:`hot` needs for these scripts, so that the first call need not.

        Raises StorageUnavailable or StorageDenied.
        """
        for name in names:
            scripts.load(name)
        await self._patience.repeat(self._connect_wire)

    @property
    def hot_idle(self) -> bool:
        """Does the thin connection stand, and wait for no answer?"""
        return self._wire is not None and self._wire.idle

    def hot_now(self, then: Callable[[Any], None], name: str, *arguments: Bytes) -> bool:
        """:meth:`hot` once, without waiting or repeating; False when there is no connection at the moment.

        ``then`` is called with the answer, or with an exception: then :meth:`hot` tries again and says it properly.
        """
        wire, script = self._wire, scripts.load(name)
        if wire is None or not wire.open:
            return False

        def answered(answer: Any) -> None:
            if isinstance(answer, ReplyError) and str(answer).startswith("NOSCRIPT") and wire.open:
                wire.call_at_once(lambda _: None, "SCRIPT", "LOAD", script.source)  # for the next time
            then(answer)

        wire.call_at_once(answered, "EVALSHA", script.sha, 1, self.keys.meta, *arguments)
        return True

    async def _connect_wire(self) -> Wire:
        async with self._wiring:
            if self._wire is None or not self._wire.open:
                self._wire = await self._new_wire(self.settings.command_timeout)
            return self._wire

    async def _new_wire(self, patience: float) -> Wire:
        context = None
        if self.url.startswith("rediss:"):
            context = self._client.connection_pool.make_connection().ssl_context.get()  # type: ignore[no-untyped-call]
        wire = await Wire.connect(self.url, self.settings.connect_timeout, context, patience)
        if self._patience.closed:
            wire.close()
        self._patience.refuse_closed()
        return wire

    async def bell(self, *keys: str, timeout: float) -> tuple[str, bytes] | None:
        """Wait until one of the lists has an entry, and take it: which list, and the entry; None if none came.

        Raises StorageUnavailable; it is not repeated, whoever waits looks at the truth again anyway.
        """
        return await self._bells.wait(keys, timeout)

    async def block(self, *arguments: Argument, timeout: float) -> Any:
        """One blocking command on a connection of its own; ``timeout`` is the one given to the command.

        It is not repeated: whoever blocks looks at the truth again anyway.
        """
        self._patience.refuse_closed()
        try:
            async with asyncio.timeout(timeout + self.settings.command_timeout):
                return await cancellable(lambda: self._blocking.execute_command(*arguments))  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            raise StorageUnavailable(f"No answer from {mask_url(self.url)}.") from error
        except (driver.RedisError, OSError) as error:
            raise translate(error, self.url) from error

    async def wait_for(self, *arguments: Argument, timeout: float) -> Any:
        """Like :meth:`block` for loops that look again anyway: a server that is away answers nothing (None), after
        a pause; the look that follows tells when it stays away.
        """
        try:
            return await self.block(*arguments, timeout=timeout)
        except StorageUnavailable as error:
            log.debug("%s", error)
            await asyncio.sleep(min(timeout, 0.5))
            return None
