"""Warm processes for functions that need an interpreter of their own: started once, used again, killed on a timeout."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clearq.functions.context import current
from clearq.worker.calls import Call
from clearq.worker.traces import Elsewhere

#: Seconds that idle processes get to leave their lifespans when the worker ends.
LEAVE_WITHIN = 2.0

_LENGTH = struct.Struct("!Q")


@dataclass(frozen=True)
class Job:
    """One call as the process gets it."""

    name: str
    id: str
    failures: int
    losses: int
    enqueued: float
    trace: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What the process answers: progress any number of times, then one end."""

    fraction: float = 0.0
    text: str = ""
    ended: bool = False
    value: Any = None
    error: BaseException | None = None
    trace: str = ""  #: its traceback, for that does not travel with it


class WarmProcesses:
    """As many processes as there are cores, at most; each runs one call at a time."""

    def __init__(self, app: str, settings: Mapping[str, object], most: int | None = None) -> None:
        self._app, self._settings = app, dict(settings)
        self._room = asyncio.Semaphore(most or os.cpu_count() or 1)
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()

    async def close(self) -> None:
        """Let the idle ones leave what their lifespans made, for a moment; end them all."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(LEAVE_WITHIN):
                await asyncio.gather(*(process.leave() for process in self._idle))
        for process in list(self._all):
            self._drop(process)

    async def run(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], began: Callable[[], None]) -> Any:
        """The function's result; ``began`` is called when a process is ready for it. Cancelled: it is killed."""
        context = current()
        progress, given = context.progress, call.given
        job = pickle.dumps(
            Job(given.fn, given.id, given.failures, given.losses, given.enqueued, context.trace, args, kwargs)
        )
        async with self._room:
            process = self._rested() or await self._spawn()
            try:
                if not process.ready:
                    await process.hear()
                    process.ready = True
                began()
                process.send(job)
                while not (said := await process.hear()).ended:
                    progress(said.fraction, said.text)
            except BaseException as error:
                self._drop(process)
                if isinstance(error, asyncio.IncompleteReadError | ConnectionError):
                    raise RuntimeError(f"The process that ran it {process.how}.") from None
                raise
            self._idle.append(process)
        if said.error is not None:
            raise said.error from Elsewhere(said.trace)
        return said.value

    def _rested(self) -> _Process | None:
        """One that waits. What has killed others meanwhile shall cost no call an attempt."""
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
            self._drop(process)
        return None

    async def _spawn(self) -> _Process:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            process = subprocess.Popen(  # noqa: ASYNC220  # a fork takes a millisecond
                [sys.executable, "-m", "clearq.worker.warm_main", str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        warm = _Process(process, reader, writer)
        self._all.add(warm)
        warm.send(pickle.dumps((self._app, self._settings)))
        return warm

    def _drop(self, process: _Process) -> None:
        self._all.discard(process)
        process.end()


class _Process:
    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self.ready = False

    @property
    def alive(self) -> bool:
        """Has it not ended?"""
        return self._process.poll() is None

    @property
    def how(self) -> str:
        """How it ended."""
        code = self._process.returncode
        return f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"

    async def leave(self) -> None:
        """There will be no more calls: until it has ended."""
        self._writer.write_eof()
        await self._reader.read()

    def send(self, frame: bytes) -> None:
        """A message to it."""
        self._writer.write(_LENGTH.pack(len(frame)) + frame)

    async def hear(self) -> Said:
        """Its next word. Raises IncompleteReadError when it has ended."""
        (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
        said: Said = pickle.loads(await self._reader.readexactly(length))  # noqa: S301  # our own process
        return said

    def end(self) -> None:
        """Kill and reap it."""
        self._writer.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
