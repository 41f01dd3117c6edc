"""Figures of this moment: queues, function workers, and what became of functions lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from clearq.engine.queues import Queues
from clearq.engine.series import server_time
from clearq.engine.tally import Histogram, Series, Tallies
from clearq.engine.workers import Workers
from clearq.models.queue import Queue
from clearq.models.worker import Worker
from clearq.storage import Storage

#: Entries of the stream that one command reads.
_SLICE = 5_000


@dataclass(frozen=True)
class Figures:
    """All that is told to monitoring."""

    at: float  #: seconds since the epoch, the server's clock
    queues: Sequence[Queue] = ()
    workers: Sequence[Worker] = ()  #: the living
    dead: int = 0  #: tasks set aside
    lost: int = 0  #: attempts whose holder is silent
    window: float = 60.0  #: seconds that ``functions`` looks back
    #: (function, event) to how often, with the events queued, cleared, complete, retry, fail, stop, release, lost.
    functions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: Durations and lags of functions, summed up over all workers, those that have gone included.
    histograms: Mapping[Series, Histogram] = field(default_factory=dict)


class FigureReader:
    """Reads :class:`Figures`."""

    def __init__(self, storage: Storage, queues: Queues, workers: Workers, tallies: Tallies) -> None:
        self._storage = storage
        self._queues = queues
        self._workers = workers
        self._tallies = tallies

    async def take(self, window: float = 60.0) -> Figures:
        """The figures of now; functions over the last ``window`` seconds, as far as the stream reaches back."""
        now = await server_time(self._storage)
        keys = self._storage.keys
        dead, lost = await self._storage.commands([("ZCARD", keys("dead")), ("ZCARD", keys("lost"))])
        queues, workers = await self._queues.list(), await self._workers.list()
        functions = await self._functions(now - window)
        return Figures(now, queues, workers, dead, lost, window, functions, await self._tallies.read())

    async def of_worker(self, labels: Collection[str], histograms: Mapping[Series, Histogram]) -> Figures:
        """The figures of some workers only, with what they have counted themselves, and of the queues."""
        figures = await self.take(0.0)
        workers = [worker for worker in figures.workers if worker.info.label in labels]
        return replace(figures, workers=workers, functions={}, histograms=histograms)

    async def _functions(self, since: float) -> dict[tuple[str, str], int]:
        key, counts = self._storage.keys("events.fn"), Counter[tuple[str, str]]()
        after = str(max(0, int(since * 1000)))
        while entries := await self._storage.command("XRANGE", key, after, "+", "COUNT", _SLICE):
            for _, fields in entries:
                counts.update(counted(fields))
            if len(entries) < _SLICE:
                break
            after = f"({entries[-1][0]}"
        return dict(counts)


def counted(fields: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """One entry of the stream: ``name`` queued has counts by function, ``ended`` by function and outcome."""
    found = {}
    for word, count in fields.items():
        if word in ("at", "name"):
            continue
        function, _, outcome = word.rpartition(" ") if fields["name"] == "ended" else (word, "", fields["name"])
        found[function, outcome] = int(count)
    return found
