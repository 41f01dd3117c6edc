"""Where one peer is measured: its clients and its worker, as processes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.queues.peers import Peer
from tests.benchmarks.queues.server import Server

ADAPTERS = Path(__file__).parent / "adapters"

#: Seconds that one client, or one drain, may take.
PATIENCE = 120.0


@dataclass(frozen=True)
class Field:
    """One peer on the server; ``results``: stored, by peers that leave the choice."""

    peer: Peer
    server: Server
    programs: Path
    folder: Path
    results: bool = True

    def client(self, verb: str, count: int, *rest: object) -> Any:
        """Run one verb of its adapter in a process of its own; the answer. Raises RuntimeError."""
        words = [str(self.programs / "python"), "drive.py", self.peer.adapter, verb, str(count), *map(str, rest)]
        done = subprocess.run(words, cwd=ADAPTERS, env=self.environ(), capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise RuntimeError(f"{self.peer.name} {verb}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    @contextlib.contextmanager
    def worker(self, first: int = 0, last: int = 0) -> Iterator[psutil.Process]:
        """Its worker; killed afterwards. It reports the time between the ``first`` no-op and the ``last``."""
        words = self.peer.worker.replace("{bin}", str(self.programs)).split()
        environ = self.environ(BENCH_ROLE="worker", BENCH_FIRST=str(first), BENCH_LAST=str(last))
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                cwd=ADAPTERS,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield psutil.Process(process.pid)
        finally:
            kill(psutil.Process(process.pid))
            process.wait()

    def environ(self, **more: str) -> dict[str, str]:
        """Of its processes."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLEARQ_", "BENCH_", "PYTHON"))}
        return {
            **kept,
            **self.peer.environ,
            "PYTHONPATH": str(ADAPTERS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": f"{self.programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "HOME": str(self.folder),
            "CLEARQ_HOME": str(self.folder / "home"),
            "CLEARQ_URL": self.server.url,
            "BENCH_URL": self.server.url,
            "BENCH_FOLDER": str(self.folder),
            "BENCH_RESULTS": "1" if self.results else "0",
            "BENCH_UVLOOP": "1" if self.peer.uvloop else "0",
            **more,
        }

    def drained(self, worker: psutil.Process, within: float = PATIENCE) -> dict[str, float]:
        """What the worker says when the last no-op has run. Raises RuntimeError with its last lines."""
        report, until = self.folder / "drained.json", time.monotonic() + within
        while not report.exists():
            if not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE or time.monotonic() > until:
                raise RuntimeError(f"the worker of {self.peer.name} did not finish:\n{self.said()}")
            time.sleep(0.02)
        told: dict[str, float] = json.loads(report.read_text())
        return told

    def begun(self) -> dict[int, list[tuple[float, int]]]:
        """Number of each task that is held open, to the time and the process of each of its beginnings."""
        found: dict[int, list[tuple[float, int]]] = {}
        for mark in self.folder.glob("began.*"):
            _, number, pid, nanoseconds = mark.name.split(".")
            found.setdefault(int(number), []).append((int(nanoseconds) / 1e9, int(pid)))
        return found

    def wait_for_begun(self, count: int, within: float) -> set[int]:
        """Until so many tasks run, or (by a worker that runs fewer at once) no more have begun for a while."""
        until, seen, since = time.monotonic() + within, 0, time.monotonic()
        while time.monotonic() < until:
            found = len(self.begun())
            if found > seen:
                seen, since = found, time.monotonic()
            if found >= count or (found and time.monotonic() - since > 3.0):
                break
            time.sleep(0.02)
        return set(self.begun())

    def wait_for_again(self, numbers: set[int], after: float, cap: float) -> float:
        """Seconds after ``after`` until all these have begun once more; infinite when the cap passes first."""
        while time.monotonic() - after < cap:
            begun = self.begun()
            again = [[at for at, _ in begun.get(number, []) if at > after] for number in numbers]
            if all(again):
                return max(min(times) for times in again) - after
            time.sleep(0.05)
        return math.inf

    def said(self) -> str:
        """The last lines of the worker's log."""
        return (self.folder / "worker.log").read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def field(peer: Peer, server: Server, programs: Path, *, results: bool = True) -> Iterator[Field]:
    """An empty server and an empty folder for one measurement."""
    server.flush()
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{peer.name}-"))
    try:
        yield Field(peer, server, programs, folder, results)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kill(process: psutil.Process) -> None:
    """``kill -9`` for a process and all that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = [process, *process.children(recursive=True)]
        for each in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(each.pid, signal.SIGKILL)
