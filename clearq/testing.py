"""Tests of your functions without a server and without waiting.

>>> async with simulate(app) as sim:
...     handle = await resize.enqueue("a.png")
...     await sim.run_until_idle()
...     assert await handle.result() == 3

The engine is the real one: the same Lua decides, on fakeredis (``pip install 'clearq[test]'``). The clock stands still
until it is told to go on; a worker can be made to die at the worst moment.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from clearq.app import Clearq
from clearq.clock import seconds
from clearq.engine import Engine
from clearq.engine.functions import End, Given
from clearq.errors import UsageError
from clearq.functions.declare import FunctionTask
from clearq.models import WorkerInfo
from clearq.storage.memory import MemoryServer, MemoryStorage
from clearq.worker.lifespans import enter_lifespans
from clearq.worker.outcomes import BadCall, describe
from clearq.worker.runner import Place, Runner

__all__ = ["ManualClock", "Simulation", "simulate"]

#: 2026-01-01T00:00:00Z: where a clock starts.
START = 1_767_225_600.0

#: Functions taken at once.
BATCH = 100

Moment = Literal["before", "after"]


@dataclass
class ManualClock:
    """Seconds since the epoch, standing still."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises UsageError for a step back."""
        if seconds < 0:
            raise UsageError("A clock does not go back: advance by 0 or more seconds.")
        self.now += seconds


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
        self._life: _Life | None = None
        self._lives = 0
        self._state: Mapping[str, Any] = {}
        self._crashes: Counter[tuple[str, Moment]] = Counter()

    def crash(self, task: FunctionTask[..., Any], *, when: Moment = "before", times: int = 1) -> None:
        """Let the worker die at the next ``times`` calls of ``task``, with all that it runs.

        ``before``: the function has not run. ``after``: it has run, and its result is lost: the case that makes
        functions run twice, so what they do must bear it.
        """
        self._crashes[(task.name, when)] += times

    async def run_until_idle(self) -> Ran:
        """Run all that is due, and what that enqueues, until nothing is. Raises what the engine raises."""
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

        ``until``: not beyond that many seconds from now. A function that enqueues itself for later never ends: give
        one.
        """
        last = None if until is None else self.clock.now + until
        while True:
            await self.run_until_idle()
            due = await self._next_due()
            if due is None or (last is not None and due > last):
                self.clock.now = self.clock.now if last is None else last
                return self.ran
            self.clock.now = max(self.clock.now, due)

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

    async def _next_due(self) -> float | None:
        storage = self.engine.storage
        found = await storage.command("ZRANGE", storage.keys("delayed"), 0, 0, "WITHSCORES")
        return seconds(int(float(found[1]))) if found else None

    async def _born(self) -> _Life:
        self._lives += 1
        info = WorkerInfo(label=f"simulated:{self._lives}", kind="function")
        holder = await self.engine.workers.register(info)
        return _Life(self, holder, Runner(self.app, self.engine, Place("", BATCH, {}, self._state)))

    async def _bury(self, life: _Life) -> None:
        self._life = None
        await life.end()
        await self.engine.workers.bury(life.holder, "the test let it crash")


class _Life:
    """One worker process, from its start to its end."""

    def __init__(self, sim: Simulation, holder: str, runner: Runner) -> None:
        self.sim, self.holder, self.runner = sim, holder, runner
        self.ends: list[End] = []
        self.moved = asyncio.Event()
        self.over = False
        self._names: dict[str, str] = {}
        runner.report = self._ended

    async def turn(self) -> int:
        """Report what has ended, begin what is due; returns how many were begun."""
        sim = self.sim
        self.moved.clear()
        queues = [(queue.id, BATCH) for queue in await sim.engine.queues.list()]
        ends, self.ends = self.ends, []
        if any(sim.will_crash(self._names[end.id], "after") for end in ends):
            self.over = True
            return 0
        sim.ran.outcomes.update(end.how for end in ends)
        kind = f"fn.{sim.app.name}" if sim.app.name else "fn"
        turn = await sim.engine.functions.turn(self.holder, queues, BATCH, ends, kind)
        for given in turn.claims:
            if sim.will_crash(given.fn, "before"):
                self.over = True
                break
            self._begin(given)
        return len(turn.claims)

    def _begin(self, given: Given) -> None:
        self._names[given.id] = given.fn
        entry = self.sim.app.registry.get(given.fn)
        if entry is None:
            error = BadCall(f"This app declares no function {given.fn!r}; a worker would wait a minute for one.")
            self._ended(End(given.id, given.fence, "fail", describe(error), "unknown function"))
            return
        if entry.options.merged(given.options).where == "process":
            # A process of its own could not see the test's doubles.
            options = {**orjson.loads(given.options or b"{}"), "where": "thread"}
            given = given._replace(options=orjson.dumps(options))
        self.sim.ran.calls[given.fn] += 1
        self.runner.start(given)

    def _ended(self, end: End | None) -> None:
        if end is not None:
            self.ends.append(end)
        self.moved.set()

    async def end(self) -> None:
        """Cancel what runs, report nothing."""
        tasks = [call.task for call in self.runner.calls.values() if call.task is not None]
        for call in list(self.runner.calls.values()):
            self.runner.lose(call.given.id, call.fence)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.runner.close()


@asynccontextmanager
async def simulate(app: Clearq, *, clock: ManualClock | None = None) -> AsyncIterator[Simulation]:
    """Let ``app`` use memory instead of its server, with one worker that runs when told to.

    Its lifespans are entered. Functions declared for a ``process`` run in a thread. Time-outs of functions and the
    expiry of results go by real time. Raises UsageError when the app is connected already, ConfigurationError
    without fakeredis.
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
            yield sim
    finally:
        app.connector = None
