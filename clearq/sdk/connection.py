"""The process's one engine, living in the background loop; blocking calls go through it."""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from clearq.errors import ConfigurationError
from clearq.sdk.attempt import attempt_file
from clearq.sdk.loop import background
from clearq.settings import Settings

if TYPE_CHECKING:
    from clearq.engine import Engine

T = TypeVar("T")

#: What a blocking call or the outbox does with the engine.
Action = Callable[["Engine"], Awaitable[T]]

_abandoned: list[object] = []


class Connection:
    """Connects on first use, in the background loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._engine: Engine | None = None
        #: The first connection starts an embedded server, also one stopped on purpose; later ones do not.
        self._first = True

    @cached_property
    def _connecting(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def engine(self) -> Engine:
        """The engine; call it in the background loop only.

        Raises :class:`~clearq.errors.StorageError` when the server cannot be used.
        """
        async with self._connecting:
            if self._engine is None:
                # Redis and what comes with it is loaded here, off the user's thread: Task.init does not wait.
                from clearq.engine import Engine

                self._engine = await Engine.connect(self.settings, start_stopped=self._first)
                self._first = False
            return self._engine

    def call(self, action: Action[T], timeout: float | None = None) -> T:
        """Run ``action`` and wait for its answer.

        Raises what the engine raises: :class:`~clearq.errors.StorageUnavailable` when the server stays away
        for longer than ``settings.patience``, and :class:`TimeoutError` after ``timeout`` seconds.
        """
        return background.run(self._act(action), timeout)

    async def _act(self, action: Action[T]) -> T:
        return await action(await self.engine())

    async def close(self) -> None:
        """Close the engine; the next use connects anew."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    def forget(self) -> None:
        """In a forked child: the sockets belong to the parent."""
        _abandoned.append((self._engine, self.__dict__.pop("_connecting", None)))
        self._engine, self._first = None, False


_default: Connection | None = None


def connection() -> Connection:
    """The process's connection: of the attempt under an agent, else as the settings say.

    Raises :class:`~clearq.errors.ConfigurationError`.
    """
    global _default
    if _default is None:
        attempt = attempt_file()
        _default = Connection(attempt.settings if attempt else _settings())
        atexit.register(disconnect)
    return _default


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigurationError(f"A CLEARQ_ setting is wrong: {wrong}") from error


def disconnect() -> None:
    """Close the process's connection and its background thread; the next call opens both again."""
    global _default
    open_connection, _default = _default, None
    atexit.unregister(disconnect)
    if open_connection is not None and background.running:
        background.run(open_connection.close(), 5.0)
    background.stop()


def _after_fork() -> None:
    if _default is not None:
        _default.forget()


os.register_at_fork(after_in_child=_after_fork)
