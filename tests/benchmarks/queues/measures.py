"""What is measured of each peer. Every measurement begins on an empty server."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

from tests.benchmarks.queues.field import field, kill
from tests.benchmarks.queues.peers import CLEARQ, Peer
from tests.benchmarks.queues.server import Server

#: Name of a figure to its value.
Figures = dict[str, float]

#: Seconds for which a task of the kill is held open; longer than the cap.
HELD = 600.0

#: Tasks that are weighed: as many of each peer, for the server's tables grow by doubling.
WAITING = 2000

#: Seconds after which a worker has a spare process, and is in the state in which it spends its life.
SETTLED = 8.0

#: Tasks that run when the worker is killed.
RUNNING = 5


def enqueue(peer: Peer, server: Server, programs: Path, *, count: int) -> Figures:
    """One by one, and in bulk by the best that the peer has."""
    with field(peer, server, programs) as here:
        before = server.used()
        spent = here.client("single", count)
        used = server.used() - before
        figures = {
            "single": count / spent["seconds"],
            "single_client_us": spent["cpu"] / count * 1e6,
            "single_server_us": used.cpu / count * 1e6,
            "single_commands": round(used.commands / count, 1),
        }
    with field(peer, server, programs) as here:
        here.client("fill", 100)  # what the first ones cost: scripts, queues
        before = server.used()
        here.client("fill", WAITING)
        figures["bytes"] = (server.used() - before).memory / WAITING
    if peer.bulk:
        with field(peer, server, programs) as here:
            many = count * 5 if peer is CLEARQ else count
            figures["bulk"] = many / here.client("bulk", many)["seconds"]
    return figures


def drain(peer: Peer, server: Server, programs: Path, *, share: float) -> Figures:
    """No-op tasks by one worker process, results stored; then without, where the peer leaves the choice."""
    figures = _drain(peer, server, programs, share, results=True)
    if not peer.results:
        bare = _drain(peer, server, programs, share, results=False)
        figures["bare"] = bare["drain"]
    return figures


def _drain(peer: Peer, server: Server, programs: Path, share: float, *, results: bool) -> Figures:
    count = max(200, int(peer.tasks * share))
    with field(peer, server, programs, results=results) as here:
        here.client("fill", count)
        before = server.used()
        with here.worker(max(1, count // 10), count) as worker:
            told = here.drained(worker)
            time.sleep(0.2)  # the last acknowledgements
            used = server.used() - before
        return {
            "drain": told["tasks"] / told["seconds"],
            "worker_us": told["cpu"] / told["tasks"] * 1e6,
            "server_us": used.cpu / count * 1e6,
            "commands": round(used.commands / count, 1),
        }


def latency(peer: Peer, server: Server, programs: Path, *, count: int) -> Figures:
    """Of an idle worker: from the enqueue to the start, and to the result in the client's hands."""
    with field(peer, server, programs) as here, here.worker():
        here.client("trips", 5)
        trips = here.client("trips", count)
    figures: Figures = {}
    for number, word in enumerate(("start", "result")):
        cuts = statistics.quantiles([trip[number] * 1000 for trip in trips], n=100)
        figures |= {f"{word}_p50": cuts[49], f"{word}_p99": cuts[98]}
    return figures


def killed(peer: Peer, server: Server, programs: Path, *, cap: float) -> Figures:
    """``kill -9`` of the worker and all its processes, another started at once: seconds until all run again.

    Infinite when the cap passes first. Tasks of a worker that runs one at once: those that had begun count.
    """
    with field(peer, server, programs) as here:
        with here.worker() as worker:
            here.client("hold", RUNNING, HELD)
            held = here.wait_for_begun(RUNNING, 30.0)
            kill(worker)
            at = time.monotonic()
        with here.worker():
            return {"rerun": here.wait_for_again(held, at, cap), "held": len(held)}


def child_killed(peer: Peer, server: Server, programs: Path, *, cap: float) -> Figures:
    """``kill -9`` of only the process that ran the tasks, for a peer whose parent process lives on."""
    with field(peer, server, programs) as here, here.worker():
        time.sleep(SETTLED)
        here.client("hold", RUNNING, HELD)
        held = here.wait_for_begun(RUNNING, 30.0)
        runners = {pid for beginnings in here.begun().values() for _, pid in beginnings}
        at = time.monotonic()
        for pid in runners:
            os.kill(pid, signal.SIGKILL)
        return {"rerun_child": here.wait_for_again(held, at, cap)}
