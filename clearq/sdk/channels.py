"""What waits for the server, kind by kind, each in order and in bounded memory.

User threads add; the outbox's coroutine sends. A batch that was sent without an answer is sent again
under the same number, so that the server can drop the repeat. Scalars and console lines beyond their bound
are dropped oldest first, and counted; all else (parameters, artifacts, single values) is never dropped.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from clearq.models import ScalarPoint
from clearq.sdk.patch import SpecPatch
from clearq.sdk.values import clean

if TYPE_CHECKING:
    from clearq.engine import Engine

T = TypeVar("T")

#: Most scalar points that wait for the server, and how many travel at once.
SCALARS_KEPT, SCALARS_AT_ONCE = 100_000, 1_000
#: Most characters of console output that wait, in how many lines, and how many lines travel at once.
CONSOLE_CHARACTERS, CONSOLE_LINES, LINES_AT_ONCE = 8_000_000, 100_000, 500


@dataclass(frozen=True)
class Lease:
    """The right to report for a task: its id, the attempt's fence, and where numbered reports go on from.

    A number of 0 means: several processes report that kind, so their reports carry no numbers.
    """

    task_id: str
    fence: str
    scalars_from: int = 0
    console_from: int = 0


class Channel(Protocol):
    """One kind of report."""

    @property
    def pending(self) -> int:
        """How many entries wait."""

    async def send(self, engine: Engine, lease: Lease) -> None:
        """Send some of what waits; what an error interrupts is sent by the next call."""

    def discard(self) -> None:
        """Give up what the last ``send`` could not send."""


class _Batches(Generic[T]):
    """A bounded line of entries, taken in numbered batches; a batch stays until it is acknowledged."""

    def __init__(self, most: int, at_once: int) -> None:
        self.waiting: deque[T] = deque(maxlen=most)
        self.dropped = 0
        self._at_once = at_once
        self._number = 0
        self._batch: list[T] = []

    @property
    def pending(self) -> int:
        return len(self.waiting) + len(self._batch)

    def add(self, entry: T) -> None:
        if len(self.waiting) == self.waiting.maxlen:
            self.dropped += 1
        self.waiting.append(entry)

    def take(self, first: int) -> tuple[list[T], int]:
        """The batch to send, and its number (0: none)."""
        if not self._batch:
            while self.waiting and len(self._batch) < self._at_once:
                self._batch.append(self.waiting.popleft())
            self._number = max(self._number + 1, first) if first else 0
        return self._batch, self._number

    def done(self) -> None:
        self._batch = []


class Scalars:
    """Points of metrics over iterations."""

    def __init__(self, most: int = SCALARS_KEPT) -> None:
        self._batches: _Batches[tuple[str, str, float, int, float]] = _Batches(most, SCALARS_AT_ONCE)
        self._half = most // 2

    @property
    def pending(self) -> int:
        return self._batches.pending

    @property
    def dropped(self) -> int:
        """Points lost to the bound."""
        return self._batches.dropped

    @property
    def crowded(self) -> bool:
        """More than half of the bound waits."""
        return len(self._batches.waiting) > self._half

    def add(self, title: str, series: str, value: float, iteration: int) -> None:
        """Costs its caller about a microsecond."""
        self._batches.add((title, series, value, iteration, time.time()))

    async def send(self, engine: Engine, lease: Lease) -> None:
        batch, number = self._batches.take(lease.scalars_from)
        points = [
            ScalarPoint(title=clean(title), series=clean(series), value=value, iteration=iteration, at=at)
            for title, series, value, iteration, at in batch
        ]
        await engine.metrics.report(lease.task_id, points, fence=lease.fence, seq=number)
        self._batches.done()

    def discard(self) -> None:
        self._batches.done()


class Console:
    """Lines of output, with the bound counted in characters too."""

    def __init__(self, most: int = CONSOLE_CHARACTERS) -> None:
        self._batches: _Batches[tuple[float, str, str]] = _Batches(CONSOLE_LINES, LINES_AT_ONCE)
        self._most = most
        self._characters = 0
        self._lock = threading.Lock()
        self._told = 0

    @property
    def pending(self) -> int:
        return self._batches.pending

    @property
    def dropped(self) -> int:
        """Lines lost to the bound."""
        return self._batches.dropped

    def add(self, at: float, stream: str, text: str) -> None:
        with self._lock:
            self._batches.add((at, stream, text))
            self._characters += len(text)
            while self._characters > self._most and self._batches.waiting:
                _, _, lost = self._batches.waiting.popleft()
                self._characters -= len(lost)
                self._batches.dropped += 1

    async def send(self, engine: Engine, lease: Lease) -> None:
        with self._lock:
            lines, number = self._batches.take(lease.console_from)
            self._characters = sum(len(text) for _, _, text in self._batches.waiting) if lines else 0
        await engine.logs.append(lease.task_id, [*self._note(lines), *lines], fence=lease.fence, seq=number)
        self._told = self._batches.dropped
        self._batches.done()

    def _note(self, lines: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
        lost = self._batches.dropped - self._told
        if not lost:
            return []
        return [(lines[0][0], "clearq", f"{lost} earlier lines were dropped while the server was away")]

    def discard(self) -> None:
        self._batches.done()


class Edits:
    """Changes of the task's description, merged while they wait."""

    def __init__(self) -> None:
        self._waiting = SpecPatch()
        self._sending = SpecPatch()
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        return bool(self._waiting) + bool(self._sending)

    def add(self, patch: SpecPatch) -> None:
        with self._lock:
            self._waiting = self._waiting.then(patch)

    async def send(self, engine: Engine, lease: Lease) -> None:
        with self._lock:
            self._sending = self._sending.then(self._waiting)
            self._waiting = SpecPatch()
        await engine.tasks.edit(lease.task_id, self._sending.apply, fence=lease.fence)
        self._sending = SpecPatch()

    def discard(self) -> None:
        self._sending = SpecPatch()


class Latest:
    """Values of which only the newest counts, by name: single values, progress."""

    def __init__(self, put: Callable[[Engine, Lease, str, float], Awaitable[object]]) -> None:
        self._put = put
        self._values: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        return len(self._values)

    def set(self, name: str, value: float) -> None:
        with self._lock:
            self._values[name] = value

    async def send(self, engine: Engine, lease: Lease) -> None:
        name, value = next(iter(self._values.items()))
        await self._put(engine, lease, name, value)
        with self._lock:
            if self._values.get(name) == value:
                del self._values[name]

    def discard(self) -> None:
        with self._lock:
            self._values.pop(next(iter(self._values), ""), None)


#: Something to do with the engine in its turn, such as registering an artifact.
Deed = Callable[["Engine", Lease], Awaitable[object]]


class Deeds:
    """Things to do one after another; each is safe to repeat."""

    def __init__(self) -> None:
        self._waiting: deque[Deed] = deque()

    @property
    def pending(self) -> int:
        return len(self._waiting)

    def add(self, deed: Deed) -> None:
        self._waiting.append(deed)

    async def send(self, engine: Engine, lease: Lease) -> None:
        await self._waiting[0](engine, lease)
        self._waiting.popleft()

    def discard(self) -> None:
        if self._waiting:
            self._waiting.popleft()
