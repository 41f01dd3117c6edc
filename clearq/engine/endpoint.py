"""``/metrics`` and ``/healthz`` over HTTP, for Prometheus to scrape. aiohttp is loaded when one is opened."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearq.engine.prometheus import CONTENT_TYPE
from clearq.errors import ConfigurationError, StorageError, UsageError

if TYPE_CHECKING:
    from aiohttp import web

#: Where it listens unless a host is named: nobody else on the network reads what runs here.
LOOPBACK = "127.0.0.1"

#: Seconds that one text serves all who ask: however often it is scraped, the server is read once.
FRESH = 1.0


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    port: int  #: 0: any that is free

    @classmethod
    def parse(cls, text: str) -> Address:
        """From ``9100``, ``0.0.0.0:9100``, ``[::1]:9100`` or ``host:9100``. Raises UsageError."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (port.isascii() and port.isdigit() and int(port) < 65_536):
            raise UsageError(f"{text!r} is no address to listen at: write [HOST:]PORT, such as 9464 or 0.0.0.0:9464")
        return cls(host or LOOPBACK, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def local(self) -> bool:
        """Can only this machine reach it?"""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def listen(address: Address) -> socket.socket:
    """A socket that waits for scrapes. Raises ConfigurationError when there is no listening there."""
    try:
        family, _, _, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(where[:2], family=family)
    except OSError as error:
        # A name that cannot be resolved has numbers of its own, below 0.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        what = f"Nothing can listen at {address}: {why}."
        raise ConfigurationError(f"{what} Name another [HOST:]PORT, or end what uses this one.") from None


@asynccontextmanager
async def serving(ends: socket.socket, text: Callable[[], Awaitable[str]], token: str = "") -> AsyncIterator[Address]:
    """Answer scrapes at ``ends`` with what ``text`` gives, as long as the context lasts.

    ``token``: ask for ``Authorization: Bearer <token>``. Answers where it listens.
    """
    from aiohttp import web

    page = _Page(text, token)
    app = web.Application(client_max_size=1024)
    app.router.add_get("/metrics", page.metrics)
    app.router.add_get("/healthz", page.health)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, ends).start()
        host, port = ends.getsockname()[:2]
        yield Address(host, port)
    finally:
        await runner.cleanup()
        ends.close()


class _Page:
    def __init__(self, text: Callable[[], Awaitable[str]], token: str) -> None:
        self._text, self._wanted = text, f"Bearer {token}".encode() if token else b""
        self._lock = asyncio.Lock()
        self._last, self._at = "", float("-inf")

    async def metrics(self, request: web.Request) -> web.Response:
        """The figures; 401 without the token, 503 when Redis does not answer."""
        from aiohttp import web

        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if self._wanted and not hmac.compare_digest(given, self._wanted):
            headers = {"WWW-Authenticate": 'Bearer realm="clearq metrics"'}
            return web.Response(status=401, text="Say Authorization: Bearer <CLEARQ_METRICS_TOKEN>.\n", headers=headers)
        try:
            body = await self._fresh()
        except StorageError as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(body=body.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _fresh(self) -> str:
        """One reading at a time, and none while the last is young."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._at > FRESH:
                self._last = await self._text()
                self._at = asyncio.get_running_loop().time()
            return self._last

    async def health(self, request: web.Request) -> web.Response:
        """This process lives and its loop turns; nothing is asked of Redis."""
        from aiohttp import web

        return web.Response(text="ok\n")
