"""Figures of this moment: queues, function workers, and what became of functions lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clearq.engine.queues import Queues
from clearq.engine.series import server_time
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
    #: (function, event) to how often, with the events queued, complete, retry, fail, stop, release.
    functions: Mapping[tuple[str, str], int] = field(default_factory=dict)


class FigureReader:
    """Reads :class:`Figures`."""

    def __init__(self, storage: Storage, queues: Queues, workers: Workers) -> None:
        self._storage = storage
        self._queues = queues
        self._workers = workers

    async def take(self, window: float = 60.0) -> Figures:
        """The figures of now; functions over the last ``window`` seconds, as far as the stream reaches back."""
        now = await server_time(self._storage)
        keys = self._storage.keys
        dead, lost = await self._storage.commands([("ZCARD", keys("dead")), ("ZCARD", keys("lost"))])
        queues, workers = await self._queues.list(), await self._workers.list()
        return Figures(now, queues, workers, dead, lost, window, await self._functions(now - window))

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
