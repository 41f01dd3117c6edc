"""Run git and uv: no shell, no questions, output as it comes, ended whole when the caller is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearq.errors import EnvironmentFailed

#: One line for the task's log.
Say = Callable[[str], None]

#: Bytes of output kept of each stream; the end is what matters.
KEPT = 4_000_000

#: Seconds from a program's exit until its pipes are no longer waited for.
PIPES_CLOSE = 1.0

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Call:
    """A program to run. Times are seconds."""

    argv: Sequence[str]
    cwd: Path
    environ: Mapping[str, str]
    stdin: bytes = b""
    #: Ended when nothing was written for so long: before the first byte, and after it.
    silence: tuple[float, float] = (60.0, 300.0)
    say: Say | None = None  #: gets each line of stderr
    writes: Path | None = None  #: where its output goes, if not to ``cwd``


@dataclass(frozen=True)
class Finished:
    """How it ended. ``code`` is None when it fell silent and was ended."""

    code: int | None
    stdout: bytes
    stderr: str

    @property
    def ok(self) -> bool:
        """It ended by itself and well."""
        return self.code == 0


class _Stream(asyncio.SubprocessProtocol):
    """Collects both streams and remembers when the last byte came."""

    def __init__(self, say: Say | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.out, self.err = bytearray(), bytearray()
        self.heard: float | None = None
        self._say, self._line = say, bytearray()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.heard = self.loop.time()
        kept = self.out if fd == 1 else self.err
        kept += data
        if len(kept) > KEPT:
            del kept[: len(kept) - KEPT]
        if fd == 2 and self._say is not None:
            self._line += data
            *lines, rest = re.split(rb"[\r\n]+", bytes(self._line))
            self._line = bytearray(rest)
            self._tell(lines)

    def _tell(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = plain(line).strip()
            if text and self._say is not None:
                self._say(text)

    def process_exited(self) -> None:
        # A helper that stays behind (ssh's control master) may keep the pipes open for ever.
        self.loop.call_later(PIPES_CLOSE, self.connection_lost, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell([bytes(self._line)])
        self._line.clear()
        if not self.ended.done():
            self.ended.set_result(None)


def plain(data: bytes) -> str:
    """Readable text of a program's output: no colours, invalid UTF-8 replaced."""
    return _ANSI.sub("", data.decode("utf-8", "replace"))


async def run(call: Call) -> Finished:
    """Run it to its end. Raises EnvironmentFailed when the program is missing or the disk is full."""
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.subprocess_exec(
            lambda: _Stream(call.say),
            *call.argv,
            stdin=asyncio.subprocess.PIPE if call.stdin else asyncio.subprocess.DEVNULL,
            cwd=call.cwd,
            env=dict(call.environ),
            start_new_session=True,
        )
    except OSError as error:
        raise missing_program(call.argv[0], error) from error
    try:
        if call.stdin:
            pipe = transport.get_pipe_transport(0)
            assert isinstance(pipe, asyncio.WriteTransport)  # noqa: S101
            pipe.write(call.stdin)
            pipe.write_eof()
        fell_silent = await _watch(protocol, call.silence)
    finally:
        if not protocol.ended.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
            await asyncio.wait({protocol.ended}, timeout=5.0)  # so that it is reaped
        code = transport.get_returncode()
        transport.close()
    result = Finished(None if fell_silent else code, bytes(protocol.out), plain(bytes(protocol.err)))
    if not result.ok and os.strerror(errno.ENOSPC) in result.stderr:
        raise disk_full(call.writes or call.cwd)
    return result


async def _watch(stream: _Stream, silence: tuple[float, float]) -> bool:
    """Wait for the end; True when it fell silent before."""
    begun = stream.loop.time()
    while True:
        heard = stream.heard
        until = begun + silence[0] if heard is None else heard + silence[1]
        done, _ = await asyncio.wait({stream.ended}, timeout=max(0.0, until - stream.loop.time()))
        if done:
            return False
        if stream.heard == heard and stream.loop.time() >= until:
            return True


def missing_program(name: str, error: OSError) -> EnvironmentFailed:
    """The sentence for a program that cannot be started."""
    if isinstance(error, FileNotFoundError) and Path(name).name == name:
        return EnvironmentFailed(f"{name} is not installed on this host: install it and enqueue the task again.")
    return EnvironmentFailed(f"{name} could not be started on this host ({error.strerror}).")


def disk_full(where: Path) -> EnvironmentFailed:
    """The sentence for a full disk."""
    return EnvironmentFailed(
        f"The disk that holds {where} is full: free some space on this host"
        " (old environments and checkouts lie in clearq's home folder) and enqueue the task again."
    )


def from_os_error(error: OSError, doing: str, where: Path) -> EnvironmentFailed:
    """The sentence for a file operation in ``where`` that failed while ``doing`` something."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(where)
    return EnvironmentFailed(f"{doing} failed: {error.strerror or error} ({error.filename or where}).")
