"""Functions that this worker does not know: left to a worker that does, and for a minute to one that may come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Set
from typing import TypeVar

from clearq.clock import MonotonicClock, boottime
from clearq.engine.calls import End, Given
from clearq.engine.declared import Declared, Present, Speaker
from clearq.engine.workers import lane_name
from clearq.errors import StorageError
from clearq.models.worker import Lane
from clearq.worker.outcomes import BadCall, describe

T = TypeVar("T")

log = logging.getLogger("clearq.worker")

#: Seconds for which a function that nobody knows is handed back, and for which it then rests.
PATIENCE, PAUSE = 60.0, 2.0

#: Seconds for which one that another worker knows rests: at first, and at last (twice as long each time that it is met
#: here again). It rests for ``PAUSE`` where very many are passed on: their worker has more than it can do.
PASS_FIRST, PASS_LAST, VERY_MANY = 0.02, 0.5, 1000

#: Seconds for which this worker lets others be woken first: beyond that rest, for each worker of the lane, at most.
ASIDE, ASIDE_EACH, ASIDE_MOST = 0.1, 0.03, 3.0

#: Seconds for which the answer who knows what is used, and more for each live worker: reading it costs as much.
FRESH, FRESH_EACH = 2.0, 0.01

#: Seconds that the question who knows what may take.
ASK = 2.0

#: Tasks that are remembered.
MOST = 10_000

#: Names of workers in an error.
NAMED = 5


class Unknown:
    """Hands back what this worker does not know; ``report`` is called with the end of each.

    A function is never failed while a live worker of its lane declares it, or while one lives that does not say what it
    declares: that one is of an older version, and judges by itself.
    """

    def __init__(self, declared: Declared, app: str, clock: MonotonicClock = boottime) -> None:
        self._declared, self._clock = declared, clock
        self._kind = f"function.{app}" if app else "function"
        self.report: Callable[[End], None] = lambda _: None
        #: Called with the seconds for which others should be woken first.
        self.step_aside: Callable[[float], None] = lambda _: None
        self._waiting: dict[str, Given] = {}
        self._job: asyncio.Task[None] | None = None
        self._present: Present | None = None
        self._read_again = 0.0
        self._since: dict[str, float] = {}
        self._passed: dict[str, int] = {}
        self._told: set[str] = set()

    @property
    def waiting(self) -> Set[str]:
        """Ids of those that are not decided yet."""
        return self._waiting.keys()

    def take(self, given: Given) -> None:
        """Decide what becomes of it; its end is reported later, never from within this."""
        self._waiting[given.id] = given
        if self._job is None or self._job.done():
            self._job = asyncio.get_running_loop().create_task(self._decide(), name="unknown functions")

    async def close(self) -> None:
        """Decide nothing more."""
        if self._job is not None:
            self._job.cancel()
            await asyncio.gather(self._job, return_exceptions=True)

    async def _decide(self) -> None:
        while self._waiting:
            present = await self._who(fresh=False)
            batch = list(self._waiting.values())
            if any(self._hopeless(given, present) for given in batch):
                present = await self._who(fresh=True)
            for given in batch:
                del self._waiting[given.id]
                self.report(self._end(given, present))

    async def _who(self, *, fresh: bool) -> Present | None:
        """Who is there; ``None`` when that cannot be known now."""
        if fresh or self._clock() >= self._read_again:
            try:
                self._present = await self._declared.present(patience=ASK)
            except StorageError as error:
                log.debug("%s", error)
                self._present = None
            count = self._present.count if self._present is not None else 0
            self._read_again = self._clock() + FRESH + FRESH_EACH * count
        return self._present

    # ---- one function

    def _hopeless(self, given: Given, present: Present | None) -> bool:
        """Has nobody known it for as long as we are patient?"""
        if present is None:
            return False
        since = self._since.get(given.id)
        return since is not None and self._clock() - since >= PATIENCE and not _may_run(given, self._of(given, present))

    def _end(self, given: Given, present: Present | None) -> End:
        if self._hopeless(given, present):
            del self._since[given.id]
            return self._give_up(given, self._of(given, present))
        others = self._of(given, present)
        knowing = [each.label for each in others if each.functions is not None and given.fn in each.functions]
        if knowing:
            return self._pass_on(given, knowing, len(others))
        if given.id not in self._since or _may_run(given, others):
            _remember(self._since, given.id, self._clock())
        self._tell(
            given.fn, "nobody here knows %s: handed back for %g s, for a worker that does may come", given.fn, PATIENCE
        )
        return _back(given, PAUSE, "unknown function")

    def _pass_on(self, given: Given, knowing: list[str], others: int) -> End:
        """To those who know it: this worker is not woken for it until they had their turn."""
        self._since.pop(given.id, None)
        times = self._passed.get(given.id, 0)
        last = PASS_LAST if len(self._passed) < VERY_MANY else PAUSE
        pause = min(PASS_FIRST * 2 ** min(times, 16), last)
        _remember(self._passed, given.id, times + 1)
        self.step_aside(pause + min(ASIDE + ASIDE_EACH * others, ASIDE_MOST))
        self._tell(
            given.fn,
            "this worker does not know %s: left to %s. Different apps in one queue need names: Clearq(name=...)",
            *(given.fn, _named(knowing)),
        )
        return _back(given, pause, f"unknown function, left to {_named(knowing)}")

    def _give_up(self, given: Given, others: list[Speaker]) -> End:
        error = BadCall(
            f"No live worker of its queue has known the function {given.fn!r} for {PATIENCE:g} s; asked: "
            f"{_named([each.label for each in others]) or 'this one'}. Start workers whose app declares it, or correct "
            "the name. Then enqueue the task again."
        )
        return End(given.id, given.fence, "fail", describe(error), "unknown function")

    def _of(self, given: Given, present: Present | None) -> list[Speaker]:
        return [] if present is None else present.of(lane_name(Lane(queue=given.queue, kind=self._kind)))

    def _tell(self, fn: str, text: str, *values: object) -> None:
        if fn not in self._told and len(self._told) < MOST:
            self._told.add(fn)
            log.warning(text, *values)


def _may_run(given: Given, others: list[Speaker]) -> bool:
    return any(each.functions is None or given.fn in each.functions for each in others)


def _back(given: Given, pause: float, reason: str) -> End:
    return End(given.id, given.fence, "release", b"", reason, str(int(pause * 1000)))


def _remember(memory: dict[str, T], id: str, value: T) -> None:
    memory[id] = value
    while len(memory) > MOST:
        del memory[next(iter(memory))]


def _named(labels: list[str]) -> str:
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return ", ".join(sorted(labels)[:NAMED]) + more
