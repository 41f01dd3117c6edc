"""Durations, outcomes and lags of functions as histograms: counted in each worker, summed up over all of them.

A worker counts in its own memory, which costs a call a fraction of a microsecond, and every few seconds adds what is
new to one hash of bounded size: the sums outlive every worker.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from clearq.engine.answers import unexpected
from clearq.engine.ids import nonce
from clearq.storage import Storage

#: Upper bounds of the buckets, in seconds; one more bucket holds all that is longer.
BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

#: Fields of the hash: some hundreds of series with all their buckets, about 2 MB at the very most.
MOST_FIELDS = 20_000

#: Series that one script adds.
AT_ONCE = 100

_WIDTH = len(BOUNDS) + 2  # a count for each bucket, one for those beyond, and the sum in microseconds

#: A loss is counted by the server, and nobody knows how long the attempt ran: its counts stand for no durations.
Kind = Literal["end", "lag", "lost"]

#: Kind, outcome, queue, function and counts of one series, as JSON carries them.
Row = list[Any]


class Series(NamedTuple):
    """What one histogram is about."""

    kind: Kind
    outcome: str  #: complete, retry, fail, stop, release; empty for a lag and a loss
    queue: str  #: its id
    function: str  #: empty for a lag


@dataclass(frozen=True)
class Histogram:
    """Counts by bucket of :data:`BOUNDS`, the last for what is beyond; ``total`` in seconds."""

    counts: Sequence[int]
    total: float


class Tally:
    """Counts of one process. Bounded: as many series as functions, queues and outcomes that it has seen.

    The two verbs of each call are kept short: every function that runs pays for them.
    """

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str, str], list[float]] = {}
        self._lags: dict[str, list[float]] = {}

    def ended(self, outcome: str, queue: str, function: str, seconds: float) -> None:
        """An attempt has ended after so long."""
        key = (outcome, queue, function)
        if key in self._ends:
            counts = self._ends[key]
        else:
            counts = self._ends[key] = [0.0] * _WIDTH
        counts[bisect_left(BOUNDS, seconds)] += 1
        counts[-1] += seconds

    def began(self, queue: str, lag: float) -> None:
        """An attempt has begun so many seconds after it could have."""
        if queue in self._lags:
            counts = self._lags[queue]
        else:
            counts = self._lags[queue] = [0.0] * _WIDTH
        counts[bisect_left(BOUNDS, lag)] += 1
        counts[-1] += lag

    def take(self) -> list[Row]:
        """All counts since the last call; they begin at zero again."""
        rows = [[*series, [*map(int, counts[:-1]), round(counts[-1] * 1e6)]] for series, counts in self._all()]
        self._ends, self._lags = {}, {}
        return rows

    def add(self, rows: Iterable[Row]) -> None:
        """Add what another process took."""
        for kind, outcome, queue, function, counts in rows:
            if kind == "end":
                own = self._ends.setdefault((outcome, queue, function), [0.0] * _WIDTH)
            else:
                own = self._lags.setdefault(queue, [0.0] * _WIDTH)
            for place, count in enumerate(counts[:-1]):
                own[place] += count
            own[-1] += counts[-1] / 1e6

    def histograms(self) -> dict[Series, Histogram]:
        """What stands in it."""
        return {series: Histogram([int(count) for count in counts[:-1]], counts[-1]) for series, counts in self._all()}

    def _all(self) -> Iterator[tuple[Series, list[float]]]:
        for (outcome, queue, function), counts in self._ends.items():
            yield Series("end", outcome, queue, function), counts
        for queue, counts in self._lags.items():
            yield Series("lag", "", queue, ""), counts


class Batch(NamedTuple):
    """Counts on their way: may be sent again until it is acknowledged."""

    holder: str
    nonce: str
    rows: list[Row]


class Tallies:
    """The sums over all workers."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @staticmethod
    def batches(holder: str, rows: Sequence[Row]) -> list[Batch]:
        """Parts that one script each adds, in the name of a living worker."""
        return [Batch(holder, nonce(), list(rows[at : at + AT_ONCE])) for at in range(0, len(rows), AT_ONCE)]

    async def push(self, batch: Batch, *, patience: float | None = None) -> None:
        """Add it; the same one again, before any other of its holder, changes nothing. Raises StorageError."""
        flat: list[str | int] = ["", batch.holder, batch.nonce, MOST_FIELDS]
        for kind, outcome, queue, function, counts in batch.rows:
            parts = [(str(place), count) for place, count in enumerate(counts[:-1]) if count]
            parts.append(("sum", counts[-1]))
            flat += [kind, outcome, queue, function, len(parts)]
            flat += [word for pair in parts for word in pair]
        answer = await self._storage.script("tally", *flat, patience=patience)
        if answer[0] not in ("added", "known"):
            raise unexpected("tally", answer)

    async def read(self) -> dict[Series, Histogram]:
        """The sums of all workers since the hash was made."""
        return decode(await self._storage.command("HGETALL", self._storage.keys("tally")))


def decode(fields: Mapping[str, str]) -> dict[Series, Histogram]:
    """The hash as histograms; a bucket that this version does not know counts as the last."""
    found: dict[Series, list[int]] = {}
    for name, value in fields.items():
        kind, outcome, queue, part, function = name.split(" ", 4)
        counts = found.setdefault(Series(kind, outcome, queue, function), [0] * _WIDTH)  # type: ignore[arg-type]
        place = _WIDTH - 1 if part == "sum" else min(int(part), _WIDTH - 2)
        counts[place] += int(value)
    return {series: Histogram(counts[:-1], counts[-1] / 1e6) for series, counts in found.items()}
