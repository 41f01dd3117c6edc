"""Rounds: in each, every peer is measured in turn, so that others' load on the machine falls on all alike."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.queues import measures
from tests.benchmarks.queues.environments import environment
from tests.benchmarks.queues.peers import CLEARQ, Peer
from tests.benchmarks.queues.server import Server, server

Note = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    rounds: int = 5
    enqueues: int = 2000
    share: float = 1.0  #: of each peer's tasks a drain
    trips: int = 200
    cap: float = 120.0  #: seconds that a kill waits for the reruns
    kills: bool = True


#: ``--short``: some minutes.
SHORT = Extent(rounds=1, enqueues=1000, share=0.5, trips=60, cap=30.0)


@dataclass
class Results:
    """The figures of all rounds."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    errors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ran: dict[str, Any] = field(default_factory=dict)

    def add(self, peer: str, figures: measures.Figures) -> None:
        """Those of one measurement."""
        for name, value in figures.items():
            self.figures[peer][name].append(value)

    def median(self, peer: str, name: str) -> float | None:
        """Of a figure; ``None`` where the peer has none."""
        values = self.figures.get(peer, {}).get(name)
        return statistics.median(values) if values else None

    def document(self) -> dict[str, Any]:
        """For ``--json``; infinite is ``null``."""
        peers = {
            peer: {
                name: {"median": _plain(statistics.median(values)), "rounds": [_plain(value) for value in values]}
                for name, values in figures.items()
            }
            for peer, figures in self.figures.items()
        }
        return {"ran": self.ran, "peers": peers, "errors": dict(self.errors)}


def run(peers: Sequence[Peer], extent: Extent, note: Note) -> Results:
    """Measure. What cannot be measured of a peer is noted, and the others go on."""
    results = Results()
    programs = {}
    for peer in peers:
        note(f"installing {peer.name} ...")
        programs[peer.name] = environment(peer)
    with server() as here:
        results.ran = {
            "server": here.version,
            "python": platform.python_version(),
            "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
            "rounds": extent.rounds,
            "settings": {peer.name: f"{' '.join(_shown(peer))}; {peer.settings}" for peer in peers},
            "load": [],
        }
        for number in range(extent.rounds):
            results.ran["load"].append(os.getloadavg()[0])
            for peer in peers:
                note(f"round {number + 1} of {extent.rounds}: {peer.name}")
                _round(results, peer, here, programs[peer.name], extent)
        if extent.kills:
            for peer in peers:
                note(f"kill -9: {peer.name}")
                _kill(results, peer, here, programs[peer.name], extent)
    return results


def _round(results: Results, peer: Peer, server: Server, programs: Path, extent: Extent) -> None:
    _try(results, peer, lambda: measures.enqueue(peer, server, programs, count=extent.enqueues))
    _try(results, peer, lambda: measures.drain(peer, server, programs, share=extent.share))
    _try(results, peer, lambda: measures.latency(peer, server, programs, count=extent.trips))


def _kill(results: Results, peer: Peer, server: Server, programs: Path, extent: Extent) -> None:
    _try(results, peer, lambda: measures.killed(peer, server, programs, cap=extent.cap))
    if peer is CLEARQ:
        _try(results, peer, lambda: measures.child_killed(peer, server, programs, cap=extent.cap))


def _try(results: Results, peer: Peer, measure: Callable[[], measures.Figures]) -> None:
    try:
        results.add(peer.name, measure())
    except Exception as error:  # the others shall still be measured
        results.errors[peer.name].append(str(error))


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _shown(peer: Peer) -> list[str]:
    return [word for word in peer.requirements if "==" in word]
