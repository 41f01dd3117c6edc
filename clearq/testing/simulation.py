"""One app, one worker, one clock: a test says when the worker works, and when it dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from clearq.app import Clearq
from clearq.clock import seconds
from clearq.engine import Engine
from clearq.engine.cron import CronRule, Step
from clearq.errors import UsageError
from clearq.functions.declare import FunctionTask
from clearq.models import WorkerInfo
from clearq.storage.memory import MemoryServer, MemoryStorage
from clearq.testing.clock import ManualClock
from clearq.testing.life import BATCH, Life
from clearq.worker.lifespans import enter_lifespans
from clearq.worker.runner import Place, Runner

Moment = Literal["before", "during", "after"]


@dataclass
class Ran:
    """What a simulation has done."""

    calls: Counter[str] = field(default_factory=Counter)  #: by function: attempts that were begun
    outcomes: Counter[str] = field(default_factory=Counter)  #: complete, retry, fail, stop, release, crash


class Simulation:
    """One app, one worker, one clock; made by :func:`simulate`."""

    def __init__(self, app: Clearq, engine: Engine, clock: ManualClock) -> None:
        self.app, self.engine, self.clock = app, engine, clock
        self.ran = Ran()
        self._life: Life | None = None
        self._lives = 0
        self._state: Mapping[str, Any] = {}
        self._crashes: Counter[tuple[str, Moment]] = Counter()
        self._timeouts: Counter[str] = Counter()
        self._rules: dict[str, CronRule] = {}

    def crash(self, task: FunctionTask[..., Any], *, when: Moment = "before", times: int = 1) -> None:
        """Let the worker die at the next ``times`` calls of ``task``, with all that it runs.

        ``before``: the function has not run. ``during``: it has begun, and is cut off at its first wait that does not
        end at once. ``after``: it has run, and its result is lost: the case that makes functions run twice, so what
        they do must bear it. :meth:`die` is for any other place.
        """
        self._crashes[(task.name, when)] += times

    async def die(self) -> NoReturn:
        """Let the worker die here: await it within a function, or in a double of what the function calls."""
        if self._life is None:
            raise UsageError("No worker lives: await die() within a function that the simulation runs.")
        self.ran.outcomes["crash"] += 1
        self._life.over = True
        self._life.moved.set()
        await asyncio.Event().wait()
        raise AssertionError  # it is cancelled there

    def time_out(self, task: FunctionTask[..., Any], *, times: int = 1) -> None:
        """Let the next ``times`` calls of ``task`` take longer than their timeout, at their first wait.

        Raises UsageError for a function without one.
        """
        if task.given.timeout is None:
            raise UsageError(f"{task.name} has no timeout: declare one, or give it with options(timeout=...).")
        self._timeouts[task.name] += times

    async def run_until_idle(self) -> Ran:
        """Run all that is due, and what that enqueues, until nothing is. Raises what the engine raises.

        Every slot of a cron rule that has passed since the last time is run, in order, as by a worker that lived all
        along; by the clock all of that happens now.
        """
        while True:
            await self._run_until_idle()
            if not await self._fire():
                return self.ran

    async def _run_until_idle(self) -> Ran:
        while True:
            life = self._life = self._life or await self._born()
            taken = await life.turn()
            if life.over:
                await self._bury(life)
            elif not taken and not life.ends:
                if not life.runner.calls:
                    return self.ran
                await life.moved.wait()

    async def run_all(self, *, until: float | None = None) -> Ran:
        """:meth:`run_until_idle`, with the clock set on to whatever is due next, until nothing waits for time.

        ``until``: not beyond that many seconds from now; only then the clock stops at each slot of a cron rule, too.
        A function that enqueues itself for later never ends: give one.
        """
        last = None if until is None else self.clock.now + until
        while True:
            await self.run_until_idle()
            due = await self._next_due(slots=until is not None)
            if due is None or (last is not None and due > last):
                self.clock.advance(0 if last is None else last - self.clock.now)
                return self.ran
            self.clock.advance(max(0.0, due - self.clock.now))

    def will_time_out(self, name: str) -> bool:
        """Was it asked for? Counts it."""
        if not self._timeouts[name]:
            return False
        self._timeouts[name] -= 1
        return True

    def late(self) -> None:
        """The clock has moved: end what has run for longer than its timeout."""
        if self._life is not None:
            self._life.end_late()

    async def begin_rules(self) -> None:
        """Declare what is new of the app's cron rules, as a worker that starts now does."""
        for rule in self.app.crons:
            if rule.name not in self._rules:
                self._rules[rule.name] = rule
                await self.engine.cron.define(rule, self.clock.now, self.clock.now)

    async def _fire(self) -> bool:
        """Enqueue the earliest slot that has passed; False: there is none."""
        await self.begin_rules()
        slots = await self.engine.cron.slots(list(self._rules))
        passed = [
            (slot, name) for name, slot in zip(self._rules, slots, strict=True) if slot and slot <= self.clock.now
        ]
        if not passed:
            return False
        slot, name = min(passed)
        rule = self._rules[name]
        await self.engine.cron.fire(rule, slot, Step(slot, rule.next_slot(slot)))
        return True

    async def close(self) -> None:
        """End the worker; what it runs is cancelled."""
        if self._life is not None:
            await self._life.end()
            self._life = None

    def will_crash(self, name: str, when: Moment) -> bool:
        """Was a crash asked for here? Counts it."""
        if not self._crashes[(name, when)]:
            return False
        self._crashes[(name, when)] -= 1
        self.ran.outcomes["crash"] += 1
        return True

    async def _next_due(self, *, slots: bool) -> float | None:
        storage = self.engine.storage
        names = ("delayed", "timers", "cron") if slots else ("delayed", "timers")
        found = [await storage.command("ZRANGE", storage.keys(name), 0, 0, "WITHSCORES") for name in names]
        return min((seconds(int(float(pair[1]))) for pair in found if pair), default=None)

    async def _born(self) -> Life:
        self._lives += 1
        info = WorkerInfo(label=f"simulated:{self._lives}", kind="function")
        holder = await self.engine.workers.register(info)
        return Life(self, holder, Runner(self.app, self.engine, Place("", BATCH, {}, self._state)))

    async def _bury(self, life: Life) -> None:
        self._life = None
        await life.end()
        await self.engine.workers.bury(life.holder, "the test let it crash")


@asynccontextmanager
async def simulate(app: Clearq, *, clock: ManualClock | None = None) -> AsyncIterator[Simulation]:
    """Let ``app`` use memory instead of its server, with one worker that runs when told to.

    Its lifespans are entered and its cron rules begin. Functions declared for a ``process`` run in a thread. Delays,
    pauses, slots, limits, and the lifetimes of results and unique keys go by the clock; a timeout is over when either
    the clock or real time says so. Raises UsageError when the app is connected already, ConfigurationError without
    fakeredis.
    """
    if app.connector is not None or app.ready is not None:
        raise UsageError("This app is connected already: simulate it first, or close it.")
    clock, server = clock or ManualClock(), MemoryServer()
    settings = app.settings

    async def connect() -> Engine:
        return Engine(await MemoryStorage.open(settings, server, clock))

    app.connector = connect
    try:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(app.close)
            sim = Simulation(app, await app.engine(), clock)
            sim._state = await enter_lifespans(app, stack)
            stack.push_async_callback(sim.close)
            await sim.begin_rules()
            clock.heard.append(sim.late)
            stack.callback(clock.heard.remove, sim.late)
            yield sim
    finally:
        app.connector = None
