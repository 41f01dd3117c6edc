"""A server that only says how old it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def server_of_version(version: str) -> AsyncIterator[str]:
    """Its URL. It answers INFO with that version, TIME with 0, and OK to everything else."""
    answers = {b"INFO": _info(version), b"TIME": b"*2\r\n$1\r\n0\r\n$1\r\n0\r\n"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while words := await _command(reader):
                writer.write(answers.get(words[0].upper(), b"+OK\r\n"))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.close()
        await server.wait_closed()


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    head = await reader.readline()
    if not head:
        return []
    words = []
    for _ in range(int(head[1:])):
        length = int((await reader.readline())[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words


def _info(version: str) -> bytes:
    text = f"# Server\r\nredis_version:{version}\r\nrun_id:0\r\n".encode()
    return b"$%d\r\n%b\r\n" % (len(text), text)
