"""A worker process of a simulation, from its start to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson

from clearq.engine.calls import End, Given
from clearq.worker.outcomes import BadCall, describe
from clearq.worker.runner import Runner

if TYPE_CHECKING:
    from clearq.testing.simulation import Simulation

#: Functions taken at once.
BATCH = 100

#: Passes of the event loop that a function gets before a crash ``during`` it: it has come to its first wait by then.
PASSES = 20


class Life:
    """One worker process, from its start to its end."""

    def __init__(self, sim: Simulation, holder: str, runner: Runner) -> None:
        self.sim, self.holder, self.runner = sim, holder, runner
        self.ends: list[End] = []
        self.moved = asyncio.Event()
        self.over = False
        self._names: dict[str, str] = {}
        self._begun: dict[str, float] = {}
        runner.report = self._ended

    async def turn(self) -> int:
        """Report what has ended, begin what is due; returns how many were begun."""
        sim = self.sim
        self.moved.clear()
        if self.over:
            return 0
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
            if sim.will_crash(given.fn, "during"):
                await self._let_run(given.id)
                self.over = True
                break
            if sim.will_time_out(given.fn):
                await self._let_run(given.id)
                self._time_out(given.id)
        return len(turn.claims)

    async def _let_run(self, id: str) -> None:
        for _ in range(PASSES):
            await asyncio.sleep(0)

    def _time_out(self, id: str) -> None:
        if (call := self.runner.calls.get(id)) is not None:
            self.runner.time_out(call)

    def end_late(self) -> None:
        """End the calls that have run for longer than their timeout by the clock."""
        for id, call in list(self.runner.calls.items()):
            timeout = call.options.timeout
            if timeout is not None and self.sim.clock.now - self._begun[id] >= timeout:
                self._time_out(id)

    def _begin(self, given: Given) -> None:
        self._names[given.id], self._begun[given.id] = given.fn, self.sim.clock.now
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
