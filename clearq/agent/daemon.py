"""The agent: looks at its queues, decides, claims, and has a supervisor run what it claimed.

It never runs user code and never blocks: waiting for work, heartbeats, metrics, watching supervisors and the
duties for all (reaper, timer, history) stand side by side.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial

from clearq.agent.claiming import Claimer
from clearq.agent.drain import Drain
from clearq.agent.home import Home
from clearq.agent.keeper import Keeper, Watched
from clearq.agent.membership import Membership
from clearq.agent.options import AgentOptions
from clearq.agent.pulse import Pulse
from clearq.agent.room import Room
from clearq.agent.watch import RETRY_FIRST, RETRY_MOST
from clearq.engine import Engine, QueueView, Snapshot
from clearq.errors import Stale, StorageError
from clearq.periodic import Duties, Duty, end_tasks
from clearq.policies import Lineup, Memo, Plan, Waiting, decide
from clearq.sdk import by_hand
from clearq.settings import Settings

log = logging.getLogger("clearq.agent")

#: Seconds that one wait for the bell lasts.
BELL = 30.0

#: Seconds of rest after refusals in a row, at most: what was seen and what is do not fit together.
REST = 1.0


@dataclass
class Agent:
    """One agent. Made by :func:`clearq.agent.setup.prepare`; :meth:`run` it until :meth:`stop`."""

    settings: Settings
    options: AgentOptions
    engine: Engine
    queues: tuple[str, ...]  #: ids, in the operator's order
    membership: Membership
    keeper: Keeper
    drain: Drain
    home: Home
    room: Room
    claimer: Claimer
    pulse: Pulse
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _memo: Memo = field(default_factory=Memo)
    _unsure: bool = False  #: a claim may have happened of which we never heard

    # ---- life

    async def run(self) -> list[Watched]:
        """Serve until stopped; answers the attempts that go on without us."""
        duties = Duties()
        bell = asyncio.create_task(self._listen(), name="bell")
        try:
            self.adopt()
            self.keeper.warm_up()
            for duty in [
                Duty("heartbeat", self.settings.beat_every, self._beat),
                Duty("queues", self.settings.heartbeat, self._follow_queues),
                Duty("adoption", self.settings.heartbeat, self._adopt),
                Duty("runs by hand", by_hand.INTERVAL, partial(by_hand.end_dead_runs, self.engine)),
                *self.engine.duties(),
            ]:
                duties.start(duty)
            await self._serve()
        finally:
            await end_tasks(bell)
            await duties.close()
            going_on = await self._leave()
        return going_on

    def stop(self) -> None:
        """Claim nothing more and end; what runs goes on."""
        self.claimer.stopping.set()
        self._look.set()

    def look(self) -> None:
        """Something has changed: decide again."""
        self._look.set()

    def adopt(self) -> list[Watched]:
        """Take care of attempts whose agent is dead."""
        return self.keeper.adopt(self.membership.label, self.membership.registry.alive)

    async def _leave(self) -> list[Watched]:
        going_on = await self.keeper.close()
        await self.drain.close()
        try:
            await asyncio.wait_for(self.membership.leave(), 5.0)
        except (StorageError, TimeoutError) as error:
            log.warning("could not sign off: %s", error)
        self.membership.close()
        return going_on

    # ---- work

    async def _serve(self) -> None:
        """Look, decide, claim, start; then wait until something changes."""
        pause, refusals = RETRY_FIRST, 0
        while not self.claimer.stopping.is_set():
            self._look.clear()
            try:
                plan, refused = await self._step()
            except Stale:
                await self._begin_anew()
                continue
            except StorageError as error:
                self._unsure = True
                self.pulse.warn("no work is taken", error)
                await self._wait(pause)
                pause = min(pause * 2, RETRY_MOST)
                continue
            pause = RETRY_FIRST
            refusals = refusals + 1 if refused else 0
            if refused:
                await self._wait(min(REST, 0.01 * 2**refusals) if refusals > 2 else 0.0)
            elif not (plan and plan.starts):
                await self._wait(plan.wake_at if plan else self.home.wait)

    async def _step(self) -> tuple[Plan | None, bool]:
        """One look. Answers the plan (``None``: no room, or nothing can be started here) with a relative ``wake_at``,
        and if a claim was refused.
        """
        if not self.room.left or not await self._home_usable():
            return None, False
        if self._unsure:
            await self.claimer.hand_back_unheard()
            self._unsure = False
        snapshot = await self.engine.claims.snapshot(self.membership.worker_id, self.queues)
        self.drain.begin_all(dict(snapshot.gpus_held), [gpu.uuid for gpu in self.room.gpus])
        plan = decide(
            self.room.now(snapshot),
            [_lineup(view) for view in snapshot.queues],
            self._memo,
            order="rotation" if self.options.order_fairness else "strict",
        )
        self._say_state(snapshot, plan)
        for start in plan.starts:
            if self.claimer.stopping.is_set() or not await self.claimer.start(start, snapshot):
                return plan, True
            self._memo = Memo(served=start.queue)
        return plan, False

    async def _home_usable(self) -> bool:
        if await self.home.usable():
            return True
        self.pulse.state = f"takes no tasks: {self.home.trouble}"
        return False

    # ---- around it

    async def _beat(self) -> float | None:
        return None if await self.pulse.send() else min(1.0, self.settings.heartbeat)

    async def _follow_queues(self) -> None:
        """A queue that was deleted and made again has another id: go on with that one."""
        successors = await self.engine.queues.successors(dict(zip(self.queues, self.options.queues, strict=True)))
        for old, new in successors.items():
            log.warning("queue %s was deleted and made again: this agent goes on with the new one, %s", old, new)
        self.queues = tuple(successors.get(id, id) for id in self.queues)
        if await self.membership.listen(self.queues):
            self.look()

    async def _adopt(self) -> float | None:
        if self.adopt():
            self.look()
        return None

    async def _listen(self) -> None:
        """The bell wakes the loop. It is heard also when there is no room."""
        pause = RETRY_FIRST
        while True:
            try:
                if await self.engine.workers.wait_bell(self.membership.worker_id, BELL):
                    self.look()
                pause = RETRY_FIRST
            except StorageError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST)

    async def _begin_anew(self) -> None:
        try:
            await self.membership.rejoin()
        except StorageError as error:
            log.warning("cannot begin anew: %s", error)
            await self._wait(RETRY_MOST)

    async def _wait(self, timeout: float | None) -> None:
        try:
            await asyncio.wait_for(self._look.wait(), timeout)
        except TimeoutError:
            return

    def _say_state(self, snapshot: Snapshot, plan: Plan) -> None:
        running = len(self.keeper.mine) + len(plan.starts)
        if running:
            self.pulse.state = f"works on {running} task{'s' if running != 1 else ''}"
        elif plan.wake_at is not None:
            held = [str(gpu.index) for gpu in self.room.gpus if gpu.uuid in snapshot.gpus_held]
            self.pulse.state = f"waits for GPU {', '.join(held)}, held by another agent of this host"
        else:
            self.pulse.state = "idle"


def _lineup(view: QueueView) -> Lineup:
    tasks = tuple(Waiting.of(task) for task in view.heads)
    return Lineup(view.queue.id, tasks, paused=view.queue.pause is not None)
