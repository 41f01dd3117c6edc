"""What a declared function needs to reach the engine: one client an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from clearq.functions.payloads import Payloads
from clearq.functions.waits import Waits

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.functions.registry import Registry
    from clearq.settings import Settings

T = TypeVar("T")


class Client:
    """An engine and its waiting handles. Belongs to the loop that it was made in."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.functions = engine.functions
        self.loop = asyncio.get_running_loop()
        self.waits = Waits(engine)
        self.payloads = Payloads(engine)
        self.inline = self.payloads.inline  #: bytes of arguments that travel within a task

    async def close(self) -> None:
        """End the listener and close the connections."""
        await self.waits.close()
        await self.engine.close()


class Home(Protocol):
    """The app, as functions and handles see it."""

    @property
    def name(self) -> str:
        """Its lane; empty: the common one."""

    @property
    def registry(self) -> Registry:
        """Its functions and their limits."""

    @property
    def settings(self) -> Settings:
        """Where the server is."""

    @property
    def ready(self) -> Client | None:
        """The client used last, perhaps of another loop."""

    async def client(self) -> Client:
        """The running loop's client; connects on first use."""

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on a loop in the background and wait for it."""


async def client_of(home: Home) -> Client:
    """The running loop's client."""
    ready = home.ready
    if ready is not None and ready.loop is asyncio.get_running_loop():
        return ready
    return await home.client()


def signing_key(home: Home) -> bytes:
    """The secret that pickled payloads are signed with; empty: none."""
    return home.settings.signing_key.get_secret_value().encode()
