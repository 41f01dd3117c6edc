"""A TCP proxy that cuts connections where a test asks for it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Forwards to a server. ``cut_replies`` of the next replies are swallowed, but for ``share`` of each that still
    arrives, and their connections closed: the command was carried out, its sender never learns.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self.cut_replies = 0
        self.share = 0.0
        self.cuts = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_connection(*self._target)
        self._open |= {writer, upstream}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upstream, replies=False))
                group.create_task(self._pump(upstream_reader, writer, replies=True))
        except* (ConnectionError, OSError):
            pass
        finally:
            for end in (writer, upstream):
                self._open.discard(end)
                end.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, replies: bool) -> None:
        while data := await source.read(65536):
            if replies and self.cut_replies > 0:
                self.cut_replies -= 1
                self.cuts += 1
                target.write(data[: int(len(data) * self.share)])
                await target.drain()
                raise ConnectionError("cut")
            target.write(data)
            await target.drain()
        raise ConnectionError("closed")
