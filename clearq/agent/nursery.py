"""Where supervisors come from: a process that has everything imported and forks one for each attempt.

So no task waits for Python's imports (half a second and more on a busy machine); a fork takes milliseconds,
and what was imported is shared memory. The agent speaks to it through a socket that is its standard input; when the
agent dies, the socket closes and the nursery ends. The supervisors stand in sessions of their own and go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

#: Longest message: the path of a folder.
MESSAGE = 4096

#: Most GPU locks that are handed over at once.
DESCRIPTORS = 64

#: Seconds that a nursery may take to answer, imports included.
ANSWER_WITHIN = 30.0


class Nursery:
    """The agent's end. One process, started anew when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._turn = asyncio.Lock()

    def warm_up(self) -> None:
        """Start the process, if it does not live. Raises OSError."""
        if self._process is not None and self._process.poll() is None:
            return
        self._drop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        self._socket = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "clearq.agent.supervisor", "--nursery"],
                stdin=theirs.fileno(),
                cwd="/",
                start_new_session=True,
            )

    async def start(self, folder: Path, descriptors: Sequence[int] = ()) -> int:
        """A new supervisor for an attempt's folder, with copies of these descriptors; answers its pid.

        Raises OSError when the system has no room for another process.
        """
        async with self._turn:
            for last in (False, True):
                self.warm_up()
                try:
                    async with asyncio.timeout(ANSWER_WITHIN):
                        return await self._ask(folder, descriptors)
                except (OSError, TimeoutError):
                    self._drop()
                    if last:
                        raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """End the process; the supervisors go on."""
        self._drop()

    async def _ask(self, folder: Path, descriptors: Sequence[int]) -> int:
        assert self._socket is not None  # noqa: S101
        socket.send_fds(self._socket, [os.fsencode(folder) + b"\0"], list(descriptors))
        answer = await asyncio.get_running_loop().sock_recv(self._socket, 64)
        if not answer:
            raise ConnectionError("the process that makes supervisors has ended")
        word, number = answer.split()
        if word == b"error":
            raise OSError(int(number), os.strerror(int(number)))
        return int(number)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
                return
            process.kill()
            process.wait()


def serve(look_after: Callable[[Path], int]) -> int:
    """The nursery's own process: fork a supervisor for each folder that comes, until the agent has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _reap)
    gc.collect()
    gc.freeze()  # what is shared stays shared
    with socket.socket(fileno=os.dup(0)) as channel:
        _close_input()
        while True:
            text, descriptors, _flags, _address = socket.recv_fds(channel, MESSAGE, DESCRIPTORS)
            if not text:
                return 0
            try:
                child = os.fork()
            except OSError as error:
                channel.sendall(b"error %d" % (error.errno or 0))
            else:
                if child == 0:
                    channel.close()
                    _be(look_after, Path(os.fsdecode(text.rstrip(b"\0"))))
                channel.sendall(b"pid %d" % child)
            for descriptor in descriptors:
                os.close(descriptor)  # the supervisor's copies hold the locks


def _be(look_after: Callable[[Path], int], folder: Path) -> None:
    """In the fork: become a supervisor, and never return into the nursery."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored stays ignored in children
        code = look_after(folder)
    except BaseException:  # noqa: BLE001  (whatever it is: it must not run the nursery's loop)
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _reap(_number: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _close_input() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
