"""Start a real tree in a test, gather what it says, and look from outside whether it is gone."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
import uuid
from pathlib import Path

from clearq.executors.job import Command
from clearq.executors.proc import look
from clearq.executors.trail import kill_tree
from clearq.executors.tree import ProcessTree
from clearq.models import Limits


class Run:
    """One tree, its output by stream, and the remarks about it."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        self.marker = f"{uuid.uuid4().hex}.1"
        self.remarks: list[str] = []
        self.output = {"stdout": b"", "stderr": b""}
        self._news = asyncio.Condition()
        self.tree = ProcessTree(limits or Limits(stop_grace=10.0), self.remarks.append)

    async def sink(self, stream: str, chunk: bytes) -> None:
        async with self._news:
            self.output[stream] += chunk
            self._news.notify_all()

    async def python(self, code: str) -> int:
        """Start a Python program."""
        return await self.start(sys.executable, "-u", "-c", textwrap.dedent(code))

    async def shell(self, code: str) -> int:
        """Start a shell script."""
        return await self.start("/bin/sh", "-c", textwrap.dedent(code))

    async def start(self, *argv: str) -> int:
        environ = {**os.environ, "CLEARQ_MARKER": self.marker, "MARKER_FOR_PYTHON": self.marker}
        return await self.tree.start(Command(argv, self.folder, environ), self.sink)

    async def end(self) -> None:
        """Leave nothing behind, however the test went."""
        if hasattr(self.tree, "pid"):
            await kill_tree(self.marker, self.tree.pid, started=self.tree.started)

    async def printed(self, text: str, stream: str = "stdout") -> str:
        """Wait until the tree has printed this; answers all it printed."""
        async with self._news:
            await self._news.wait_for(lambda: text.encode() in self.output[stream])
        return self.output[stream].decode()

    async def pids(self, count: int) -> list[int]:
        """Wait until the tree has printed so many lines ``pid <n>``."""

        def found() -> list[int]:
            lines = self.output["stdout"].decode().splitlines(keepends=True)
            return [int(line.split()[1]) for line in lines if line.startswith("pid ") and line.endswith("\n")]

        async with self._news:
            await self._news.wait_for(lambda: len(found()) >= count)
        return found()


def alive(*pids: int) -> list[int]:
    """Those that run (zombies do not)."""
    return [pid for pid in pids if (process := look(pid)) is not None and process.alive]


#: What they begin with. Whatever goes wrong with a test, after 20 s they end by themselves.
DEAF = """
import os, signal, sys, threading, time
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
END = time.time() + 20
"""

#: Python programs that multiply, and do not listen to stop signals.
FORKERS = {
    "keeps forking": """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("pid", os.getpid(), flush=True)
        for _ in range(300):
            if os.fork() == 0:
                os.setsid()
                time.sleep(20)
                os._exit(0)
            time.sleep(0.005)
        """,
    "watch each other": """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("pid", os.getpid(), flush=True)
        def alone(other):
            try:
                os.kill(other, 0)
            except OSError:
                return True
            return False
        def twin():
            me = os.getpid()
            child = os.fork()
            if child:
                return child
            os.setsid()
            return me
        other = twin()
        while time.time() < END:
            if alone(other):
                other = twin()
            time.sleep(0.002)
        """,
    "hops from pid to pid": """
        if os.fork():
            time.sleep(20)
            os._exit(0)
        print("pid", os.getpid(), flush=True)
        while time.time() < END:
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(0.001)
        """,
    "hops in its group": """
        print("pid", os.getpid(), flush=True)
        while time.time() < END:
            if os.fork():
                os._exit(0)
            time.sleep(0.001)
        """,
}
FORKERS = {name: DEAF + textwrap.dedent(code) for name, code in FORKERS.items()}
