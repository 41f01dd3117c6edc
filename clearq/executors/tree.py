"""Run a command as a process tree of its own, carry its output away, and end the whole of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator

from clearq.errors import EnvironmentFailed, UsageError
from clearq.executors.exit import Exit
from clearq.executors.job import Command, Say
from clearq.executors.members import Trail
from clearq.executors.oom import OomWatch
from clearq.executors.orphans import OWN_MAINS, Orphans, become_subreaper
from clearq.executors.proc import MARKER, Identity, look
from clearq.executors.trail import end_now, end_softly
from clearq.models import Limits

#: Takes a chunk of ``stdout`` or ``stderr``. While it does not return, that stream is not read any further.
Sink = Callable[[str, bytes], Awaitable[None]]

#: Bytes read at once.
CHUNK = 65_536

#: Seconds that helpers of an ended main process have to end by themselves, before they are asked to.
SETTLE = 0.3

#: Seconds that output still in the pipes may take to reach the sink when the tree is gone.
DRAIN = 5.0

#: Seconds between two looks for adopted orphans that have ended.
REAP_EVERY = 1.0

_log = logging.getLogger(__name__)


class ProcessTree:
    """One attempt's processes, from the start of the main one to the end of the last one.

    ``limits`` gives the time limit and the stop grace, ``say`` takes remarks for the task's log. It makes the
    calling process a sub-reaper; that process must start no other session of its own while the tree lives.
    """

    def __init__(self, limits: Limits | None = None, say: Say = lambda _line: None) -> None:
        self._limits = limits or Limits()
        self._say = say
        self._ended = asyncio.Event()
        self._stopping = asyncio.Lock()
        self._pumps: list[asyncio.Task[None]] = []
        self._pipes: list[asyncio.ReadTransport] = []
        self._timed_out = self._killed = False
        self._survivors: list[int] = []

    async def start(self, command: Command, sink: Sink) -> int:
        """Start the command; answers its pid, which is also its session and group.

        Raises :class:`~clearq.errors.EnvironmentFailed` when the system cannot execute it.
        """
        marker = command.environ.get(MARKER)
        if not marker:
            raise UsageError(f"the command's environment lacks {MARKER}")
        become_subreaper()
        orphans = Orphans.from_now_on()
        self._oom = OomWatch.begin()
        self._process = await self._spawn(command, sink)
        self.pid = self._process.pid
        OWN_MAINS.add(self.pid)
        main = look(self.pid)
        self._identity = main.identity if main else Identity(self.pid, 0)
        self._trail = Trail(marker, self.pid, self._identity.started, orphans)
        self._started_at = asyncio.get_running_loop().time()
        self._watch()
        return self.pid

    @property
    def started(self) -> int:
        """The main process's start time as the kernel counts it: with the pid, its name for ever."""
        return self._identity.started

    def members(self) -> list[int]:
        """Pids of the tree now. Reads the whole process table: call it in a thread."""
        return sorted(self._trail.members())

    async def wait(self) -> Exit:
        """Until the main process has ended (by itself, by a stop, by its time limit) and its tree is gone.

        The time limit is watched here, and leftovers are ended here: call it right after :meth:`start`.
        """
        reaper = asyncio.create_task(self._reap_orphans())
        try:
            await self._main_or_limit()
        finally:
            reaper.cancel()
        status = self._status()
        leftovers = await self._end_leftovers()
        await self._drain()
        # Not before: until now the number of the main process, and so of its group, could be nobody else's.
        self._process.wait()
        OWN_MAINS.discard(self.pid)
        evidence = self._oom.evidence()
        number = -status if status < 0 else None
        by_kernel = bool(evidence) and not self._killed and (number == 9 or status == 137)
        return Exit(
            code=status if status >= 0 else None,
            signal=number,
            oom=by_kernel,
            timed_out=self._timed_out,
            killed=self._killed,
            time_limit=self._limits.time_limit,
            leftovers=leftovers,
            survivors=tuple(self._survivors),
            evidence=evidence,
        )

    async def stop(self, grace: float | None = None) -> None:
        """Ask the whole tree to end; after ``grace`` seconds (default: the task's own) it is killed.

        The stop signal is SIGTERM; a Python program without a handler for it gets SIGINT instead, which
        raises ``KeyboardInterrupt`` in it. Harmless when all has ended, and when called twice.
        """
        async with self._stopping:
            if not await end_softly(self._trail, self._limits.stop_grace if grace is None else grace):
                await self.kill()

    async def kill(self) -> None:
        """End the whole tree at once."""
        if not self._ended.is_set():
            self._killed = True
        await self._end_now()

    async def _end_now(self) -> int:
        ended = await asyncio.to_thread(end_now, self._trail)
        self._survivors = ended.survivors
        return ended.killed

    async def _spawn(self, command: Command, sink: Sink) -> subprocess.Popen[bytes]:
        ends = [await self._pump(stream, sink) for stream in ("stdout", "stderr")]
        try:
            with _signals_not_ignored():
                return subprocess.Popen(  # noqa: ASYNC220  (returns as soon as the program is loaded)
                    command.argv,
                    cwd=command.cwd,
                    env=dict(command.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=ends[0],
                    stderr=ends[1],
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            for transport in self._pipes:
                transport.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise EnvironmentFailed(f"cannot start '{command.argv[0]}': {reason}") from error
        finally:
            for end in ends:
                os.close(end)

    async def _pump(self, stream: str, sink: Sink) -> int:
        """Carry what is written to a new pipe to the sink; answers the end to write to.

        The buffer is bounded: a slow sink slows the writer down.
        """
        read, write = os.pipe()
        reader = asyncio.StreamReader(limit=CHUNK)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb", buffering=0)
        )

        self._pipes.append(transport)
        self._pumps.append(asyncio.create_task(self._carry(stream, reader, sink)))
        return write

    async def _carry(self, stream: str, reader: asyncio.StreamReader, sink: Sink) -> None:
        lost = 0
        while chunk := await reader.read(CHUNK):
            try:
                await sink(stream, chunk)
            except Exception:  # noqa: BLE001  (the process must not hang in a pipe that nobody reads)
                if not lost:
                    _log.exception("%s of process %s is lost", stream, self.pid)
                lost += len(chunk)
        if lost:
            self._say(f"{lost} bytes of {stream} were lost by an error; the agent's log has it")

    def _watch(self) -> None:
        """Set ``_ended`` as soon as the main process ends, without reaping it."""
        loop = asyncio.get_running_loop()
        try:
            handle = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            loop.run_in_executor(None, self._process.wait).add_done_callback(lambda _: self._ended.set())
            return

        def ended() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            self._ended.set()

        loop.add_reader(handle, ended)

    def _status(self) -> int:
        """Exit code, or the negative number of the signal. The main process stays a zombie."""
        if self._process.returncode is not None:
            return self._process.returncode
        end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert end is not None  # noqa: S101
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status

    async def _main_or_limit(self) -> None:
        limit = self._limits.time_limit
        left = None if limit is None else limit - (asyncio.get_running_loop().time() - self._started_at)
        try:
            await asyncio.wait_for(self._ended.wait(), left)
        except TimeoutError:
            self._timed_out = True
            self._say(f"time limit of {limit:g} s is over: ending the task")
            await self.stop()
            # A main process that not even SIGKILL ends sits in the kernel; it is waited for.
            await self._ended.wait()

    async def _reap_orphans(self) -> None:
        while True:
            await asyncio.sleep(REAP_EVERY)
            self._trail.reap()

    async def _end_leftovers(self) -> int:
        """End what outlived the main process; answers how many there were."""
        async with self._stopping:
            pass  # a stop that is under way ends them in its own time
        loop = asyncio.get_running_loop()
        settled = loop.time() + SETTLE
        while left := await asyncio.to_thread(self._trail.members):
            if loop.time() >= settled:
                break
            await asyncio.sleep(0.05)
        if left:
            grace = self._limits.stop_grace
            names = ", ".join(map(str, sorted(left)[:10])) + (" ..." if len(left) > 10 else "")
            self._say(f"the main process has ended; ending what it left running within {grace:g} s: {names}")
            await self.stop(grace)
        # Also those that no look at the table has caught.
        killed = await self._end_now()
        if killed and not left:
            self._say(f"killed what the main process had left running: {killed}")
        return max(len(left), killed)

    async def _drain(self) -> None:
        """Let what is in the pipes reach the sink; a pipe that somebody outside the tree holds is left."""
        _, late = await asyncio.wait(self._pumps, timeout=DRAIN)
        for pump in late:
            pump.cancel()
        if late:
            self._say("some of the last output could not be read in time and is left out")
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for transport in self._pipes:
            transport.close()


@contextlib.contextmanager
def _signals_not_ignored() -> Iterator[None]:
    """A program starts with the stop signals at their defaults, also below a shell's ``&``."""
    ignored = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is signal.SIG_IGN]
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in ignored:
        # A handler, not the default: it is reset in the program, and here a signal still does nothing.
        signal.signal(number, lambda _number, _frame: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
