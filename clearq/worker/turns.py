"""The turns of one process: report what has ended and take what comes next, in one round trip, again and again.

While a batch runs, the next is on its way: as many are claimed ahead as ended since the turn before, so a stream of
short functions never waits for the network and a long one never keeps others waiting behind it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from clearq.clock import MonotonicClock, boottime
from clearq.engine import Engine
from clearq.engine.calls import End, Given, Turn
from clearq.errors import StorageError
from clearq.worker.gifts import Gifts
from clearq.worker.page import Gate, Load, Page
from clearq.worker.runner import Runner

log = logging.getLogger("clearq.worker")

#: Functions that one turn takes at most: a script of some milliseconds, so that other clients are not kept waiting.
BATCH = 100

#: Bytes of results that one turn carries, more or less.
CARRY = 4 * 1024 * 1024

#: Claimed ahead only by a process whose last turn is younger: it will get to them at once.
AHEAD_WITHIN = 0.1

#: Seconds that a claimed function waits for a free slot before it is handed back for others.
HOARD = 1.0

#: Seconds between two looks at the gate, and at what has waited.
TEND = 0.25

#: Seconds of rest after an answer that makes no sense.
REST = 0.5


class Gone(Exception):
    """This process was declared dead: nothing that it holds is its own any more."""


@dataclass(frozen=True)
class Lease:
    """What a process works under."""

    holder: str
    queues: tuple[str, ...]  #: ids, in order of priority
    kinds: str = "fn"  #: lanes of those queues


class Turns:
    """One process's loop. :meth:`run` until :meth:`drain`."""

    def __init__(
        self,
        engine: Engine,
        lease: Lease,
        runner: Runner,
        page: Page,
        gate: Gate,
        clock: MonotonicClock = boottime,
    ) -> None:
        self._engine, self._lease, self._runner = engine, lease, runner
        self._page, self._gate, self._clock = page, gate, clock
        self._queues: list[tuple[str, int]] = []
        self._ready: deque[Given] = deque()
        self._ends: list[End] = []
        self._wake = asyncio.Event()
        self._look = True
        self._sent = 0.0
        self._moved = 0.0
        self._load = Load()
        self._draining = False
        self._aside = 0.0
        self._leave = False
        self._gifts = Gifts(engine.functions, lease.holder, page, self._take, self.look)
        self._check: asyncio.TimerHandle | None = None
        self._checks: set[asyncio.Task[None]] = set()
        runner.report = self._ended
        runner.unknown.step_aside = self.step_aside
        runner.tell_deadline = partial(setattr, page, "deadline")
        self.serve(lease.queues)

    async def run(self) -> None:
        """Take turns until drained and nothing is left to report. Raises Gone."""
        self._page.sign = self._clock()
        self._gifts.begin()
        helpers = [asyncio.create_task(self._tend(), name="tend")]
        try:
            while not (self._draining and not self._ends and not self._runner.calls):
                if not self._ends and not self._look:
                    self._wake.clear()
                    await self._wake.wait()
                if self._gifts.astray:
                    await self._find_strays()
                await self._turn()
        finally:
            for helper in [*helpers, *self._checks]:
                helper.cancel()
            await self._gifts.end()
            await asyncio.gather(*helpers, *self._checks, return_exceptions=True)

    def look(self) -> None:
        """There may be work, or something to be stopped."""
        self._look = True
        self._wake.set()
        if self._check is None and self._runner.calls:
            self._check = asyncio.get_running_loop().call_later(0.05, self._begin_check)

    def serve(self, queues: Sequence[str]) -> None:
        """Take from these queues (ids), in this order, from now on."""
        self._queues[:] = [(queue, BATCH) for queue in queues]
        self._look = True
        self._wake.set()

    def told(self, work: bool, given: int) -> None:
        """What the parent's heartbeat has heard: there is work; so many functions were given to us so far."""
        self._gifts.told(given)
        if work:
            self.look()

    def drain(self, grace: float) -> None:
        """Claim nothing more, hand back what has not begun; after ``grace`` seconds also what has not ended."""
        if self._draining:
            return
        self._draining = True
        while self._ready:
            self._give_back(self._ready.popleft())
        asyncio.get_running_loop().call_later(grace, self._runner.hand_back)
        self._look = True
        self._wake.set()

    def step_aside(self, seconds: float) -> None:
        """Stand among no lane's idle for a while: what was handed back for others shall wake them, not this worker."""
        until = self._clock() + seconds
        if until > self._aside:
            self._aside = until
            asyncio.get_running_loop().call_later(seconds, self.look)

    # ---- one turn

    async def _turn(self) -> None:
        ends = self._take_ends()
        now = self._clock()
        count = 0 if self._draining or self._leave else self._room(len(ends), now)
        self._sent, self._look, self._leave = now, False, False
        lease, room, taken = self._lease, self._free(), self._gifts.taken
        try:
            turn = await self._engine.functions.turn(
                lease.holder, self._queues, count, ends, lease.kinds, room=room, taken=taken
            )
        except StorageError as error:
            log.warning("%s", error)
            self._ends[:0] = ends
            await asyncio.sleep(REST)
            self._gifts.astray = self._look = True
            return
        if turn.dead or turn.stale:
            self._refused(turn, ends)
        if turn.claims:
            if self._draining:
                for given in turn.claims:
                    self._give_back(given)
            elif self._ready:
                self._ready.extend(turn.claims)
                self._start()
            else:
                self._ready.extend(turn.claims)
                self._moved = now
                self._start()
            if len(turn.claims) == count:
                self._look = self._room(len(self._ends), now) > 0
        elif count and not turn.coming:
            self._load = replace(self._load, empty=self._load.empty + 1)
        if len(turn.claims) < count and now < self._aside:
            self._look = self._leave = True  # a turn that claims nothing leaves the idle
        self._write()

    def _free(self) -> int:
        """How many could begin at once."""
        if self._draining or not self._gate.open:
            return 0
        return max(0, self._runner.concurrency - len(self._runner.calls) - len(self._ready))

    def _take(self, given: Given) -> None:
        """It was given to us while we waited."""
        if self._draining:
            self._give_back(given)
        else:
            if not self._ready:
                self._moved = self._clock()
            self._ready.append(given)
            self._start()
        self._look = True
        self._wake.set()

    def _room(self, ended: int, now: float) -> int:
        """How many to claim: what can run at once, and ahead as many as have ended in a short while."""
        free = self._runner.concurrency - len(self._runner.calls)
        ahead = min(ended, BATCH) if now - self._sent < AHEAD_WITHIN else 0
        return max(0, min(free + ahead - len(self._ready), BATCH))

    def _take_ends(self) -> list[End]:
        ends, self._ends = self._ends, []
        carried = 0
        for number, end in enumerate(ends):
            carried += len(end.payload)
            if carried > CARRY and number:
                self._ends = ends[number:]
                return ends[:number]
        return ends

    def _refused(self, turn: Turn, ends: list[End]) -> None:
        late = [end.id for end in ends] if turn.dead else turn.stale
        if late:
            log.warning("results came too late and were refused, others have these tasks: %s", " ".join(late[:20]))
        if turn.dead:
            raise Gone

    # ---- starting and ending

    def _start(self) -> None:
        """Start what is ready, as far as there are slots and the lease is certain."""
        ready, runner = self._ready, self._runner
        free = runner.concurrency - len(runner.calls)
        while ready and free > 0:
            if not self._gate.open:
                return  # `_tend` looks again
            runner.start(ready.popleft())
            free -= 1

    def _ended(self, end: End | None) -> None:
        """The runner has one less to run; ``None``: there is nothing to report."""
        if end is not None:
            self._ends.append(end)
        if self._ready:
            self._moved = self._sent
            self._start()
        self._wake.set()

    def _give_back(self, given: Given) -> None:
        self._ends.append(End(given.id, given.fence, "release", b"", "handed back, it had not begun"))

    def _write(self) -> None:
        runner = self._runner
        running, ready, empty = len(runner.calls), len(self._ready), self._load.empty
        self._load = Load(running, ready, runner.done, runner.failed, empty, runner.ran, runner.lagged)
        self._page.write(self._load)

    # ---- beside the turns

    async def _tend(self) -> None:
        """Start what waited for a heartbeat; hand back what waits for a slot for too long; look for stops."""
        heartbeat, checked = self._engine.storage.settings.heartbeat, self._clock()
        while True:
            await asyncio.sleep(TEND)
            now = self._page.sign = self._clock()
            self._page.deadline = self._runner.deadline
            if self._ready and self._gate.open:
                self._start()
                if self._ready and now - self._moved > HOARD:
                    while self._ready:
                        self._give_back(self._ready.pop())
                    self._wake.set()
            self._write()
            if now - checked >= heartbeat and self._runner.calls:
                checked = now
                self._begin_check()

    def _begin_check(self) -> None:
        self._check = None
        job = asyncio.create_task(self._check_marks(), name="check")
        self._checks.add(job)
        job.add_done_callback(self._checks.discard)

    async def _check_marks(self) -> None:
        """Ask which of the running functions are to stop, and which are no longer ours."""
        fences = {id: call.fence for id, call in self._runner.calls.items()}
        if not fences:
            return
        try:
            beat = await self._engine.workers.beat(self._lease.holder, fences, patience=1.0)
        except StorageError as error:
            log.debug("%s", error)
            return
        for id in beat.stop:
            self._runner.stop(id)
        for id in beat.lost:
            if id in fences:
                self._runner.lose(id, fences[id])

    async def _find_strays(self) -> None:
        """Words that did not reach us: hand back what became ours without our knowing."""
        try:
            held = await self._gifts.find()
        except StorageError as error:
            log.debug("%s", error)
            await asyncio.sleep(REST)
            return
        known = {given.id for given in self._ready} | self._runner.calls.keys() | {end.id for end in self._ends}
        known |= self._runner.unknown.waiting
        for id, fence in held.items():
            if id not in known:
                self._ends.append(End(id, fence, "release", b"", "handed back, its claim went astray"))
