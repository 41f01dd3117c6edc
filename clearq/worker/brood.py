"""One child as its parent sees it: the process, the line to it, its page, and the lease that is kept for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from clearq.engine.tally import Tally
from clearq.worker.link import Link, Message
from clearq.worker.options import WorkerOptions
from clearq.worker.page import Page

#: Seconds that the line of a process that has ended may take to close: a child of its own may hold the other end.
LINE_WITHIN = 0.2

#: Seconds that one which has hung up may take to end by itself. One that user code has replaced (exec) never would.
END_WITHIN = 1.0


@dataclass
class Child:
    """A process that runs functions; made by :meth:`spawn`, and told by :meth:`begin` which."""

    process: subprocess.Popen[bytes]
    page: Page
    number: int = 0
    holder: str = ""  #: id of the lease that is kept for it; empty until it is registered
    label: str = ""
    queues: tuple[str, ...] = ()  #: ids of those that it takes from
    hello: asyncio.Future[Message] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    tally: Tally = field(default_factory=Tally)  #: what it has counted and nobody has taken yet
    _link: Link | None = None
    _hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def spawn(cls, *, spare: bool = False) -> Child:
        """Start one. ``spare`` shows in the list of processes, until it begins. Raises OSError."""
        page = Page.make()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            words = [str(theirs.fileno()), str(page.descriptor), str(os.getpid()), *(["spare"] if spare else [])]
            process = subprocess.Popen(  # noqa: ASYNC220  # a fork takes a millisecond, and its pid is needed
                [sys.executable, "-m", "clearq.worker", *words],
                pass_fds=(theirs.fileno(), page.descriptor),
                stdin=subprocess.DEVNULL,
            )
        child = cls(process, page)
        child._link = await Link.open(ours, child._heard, child._gone)
        asyncio.get_running_loop().create_task(child._wait(), name=f"child {process.pid}")
        return child

    def begin(self, number: int, options: WorkerOptions, settings: Mapping[str, object]) -> None:
        """Load the app. ``settings`` win over those of the app."""
        self.number = number
        self.say("begin", app=options.app, concurrency=options.concurrency, settings=settings, queues=options.queues)

    @property
    def suspended(self) -> bool:
        """Has somebody stopped the process (SIGSTOP)? Then its work does not go on, and its lease must not either."""
        try:
            with open(f"/proc/{self.process.pid}/stat", "rb") as file:  # noqa: PTH123
                return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
        except (OSError, IndexError):
            return False

    @property
    def how(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        if code is None:
            return "still runs"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"was ended by {signal.Signals(-code).name}"
            return f"was ended by signal {-code}"
        return f"ended with exit code {code}"

    def say(self, word: str, **values: object) -> None:
        """Tell it something."""
        if self._link is not None:
            self._link.say(word, **values)

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def _heard(self, message: Message) -> None:
        match message["say"]:
            case "hello" | "broken" if not self.hello.done():
                self.hello.set_result(message)
            case "tally":
                self.tally.add(message["rows"])
            case "gone":
                self.kill()

    def _gone(self) -> None:
        """Its end of the line is closed: it ends, or runs no functions any more and is ended."""
        self._hung_up.set()
        asyncio.get_running_loop().call_later(END_WITHIN, self._end_if_silent)

    def _end_if_silent(self) -> None:
        if not self.ended.is_set() and self.process.returncode is None:
            self.kill()

    async def _wait(self) -> None:
        await _exit_of(self.process)
        with contextlib.suppress(TimeoutError):  # what it said last may still be on the line
            await asyncio.wait_for(self._hung_up.wait(), LINE_WITHIN)
        if self._link is not None:
            self._link.close()
        if not self.hello.done():
            self.hello.set_result({"say": "broken", "error": f"a process of this worker {self.how}"})
        self.ended.set()


async def _exit_of(process: subprocess.Popen[bytes]) -> None:
    """Until it has ended, and reap it."""
    try:
        handle = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # macOS, an old kernel
        await asyncio.to_thread(process.wait)
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    process.wait()
