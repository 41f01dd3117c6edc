"""The agent: looks at its queues, decides, claims, and has a supervisor run what it claimed.

It never runs user code and never blocks: waiting for work, heartbeats, metrics, watching supervisors and the
duties for all (reaper, timer, history) stand side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import psutil

from clearq.agent.attempts import attempt_file
from clearq.agent.drain import Drain
from clearq.agent.gpu_locks import GpuLocks, is_locked
from clearq.agent.gpus import Gpu
from clearq.agent.home import Home
from clearq.agent.keeper import Keeper, Watched
from clearq.agent.machine import MachineMeter
from clearq.agent.membership import Membership
from clearq.agent.options import AgentOptions
from clearq.agent.own_app import OwnApp, executors
from clearq.agent.watch import RETRY_FIRST, RETRY_MOST
from clearq.engine import Engine, QueueView, Snapshot
from clearq.errors import Stale, StorageError
from clearq.executors.host import HostIdentity
from clearq.models import Claim, Task
from clearq.periodic import Duties, Duty, end_tasks
from clearq.policies import Card, Host, Lineup, Memo, Plan, Start, Waiting, decide
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
    host: HostIdentity
    gpus: tuple[Gpu, ...]
    queues: tuple[str, ...]  #: ids, in the operator's order
    membership: Membership
    keeper: Keeper
    drain: Drain
    meter: MachineMeter
    home: Home
    app: OwnApp | None = None  #: its functions are called in the agent's own environment
    claimed: dict[str, str] = field(default_factory=dict)  #: task to fence: claimed, not handed over yet
    state: str = "idle"
    echo: Callable[[Task], Awaitable[None]] | None = None  #: shows a task's output on this terminal
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _memo: Memo = field(default_factory=Memo)
    _cut_off: bool = False  #: the last heartbeat did not reach the server
    _unsure: bool = False  #: a claim may have happened of which we never heard

    @property
    def exclusive(self) -> bool:
        """Each task gets all GPUs and runs alone."""
        return bool(self.gpus) and self.options.slots is None

    @property
    def slots(self) -> int:
        """CPU tasks at once."""
        return self.options.slots or 1

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
        self._stop.set()
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
        while not self._stop.is_set():
            self._look.clear()
            try:
                plan, refused = await self._step()
            except Stale:
                await self._begin_anew()
                continue
            except StorageError as error:
                self._unsure = True
                log.log(logging.DEBUG if self._cut_off else logging.WARNING, "no work is taken: %s", error)
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
        if not self._room() or not await self._home_usable():
            return None, False
        if self._unsure:
            await self._hand_back_unheard()
        snapshot = await self.engine.claims.snapshot(self.membership.worker_id, self.queues)
        self.drain.begin_all(dict(snapshot.gpus_held), [gpu.uuid for gpu in self.gpus])
        plan = decide(
            self._now(snapshot),
            [_lineup(view) for view in snapshot.queues],
            self._memo,
            order="rotation" if self.options.order_fairness else "strict",
        )
        self._say_state(snapshot, plan)
        for start in plan.starts:
            if self._stop.is_set() or not await self._start(start, snapshot):
                return plan, True
            self._memo = Memo(served=start.queue)
        return plan, False

    def _room(self) -> bool:
        running = len(self.keeper.mine)
        if self.exclusive or not self.gpus:
            return running < self.slots
        cpu_tasks = sum(not watched.attempt.gpus for watched in self.keeper.mine)
        return cpu_tasks < self.slots or not self.keeper.gpus

    def _now(self, snapshot: Snapshot) -> Host:
        """What is free at this moment."""
        mine = self.keeper.mine
        own = self.keeper.gpus | self.drain.busy
        uuids = {gpu.uuid for gpu in self.gpus}
        foreign = frozenset(snapshot.gpus_held) | {uuid for uuid in uuids - own if is_locked(uuid)}
        taking = len(mine) if self.exclusive else sum(not watched.attempt.gpus for watched in mine)
        return Host(
            slots_free=self.slots - taking,
            cards=tuple(Card(gpu.uuid, gpu.name, gpu.memory) for gpu in self.gpus),
            busy=own & uuids,
            foreign=(foreign & uuids) - own,
            exclusive=self.exclusive,
            executors=executors(self.app),
            cpus=psutil.cpu_count(),
            memory=psutil.virtual_memory().total,
        )

    async def _start(self, start: Start, snapshot: Snapshot) -> bool:
        """Claim and launch. False: refused, look again."""
        locks = GpuLocks.take(start.gpus) if start.gpus else None
        if start.gpus and locks is None:
            return False
        view, task = _find(snapshot, start)
        claim: Claim | str = ""
        try:
            claim = await self.engine.claims.claim_task(
                self.membership.worker_id,
                task,
                queue_rev=view.queue.rev,
                host_id=self.host.host_id,
                boot_id=self.host.boot_id,
                gpus=start.gpus,
            )
        finally:
            if isinstance(claim, str) and locks is not None:
                locks.close()
        if claim == "dead":
            raise Stale("this agent was declared dead")
        if isinstance(claim, str):
            log.debug("task %s refused: %s", start.task, claim)
            return False
        await self._launch(claim, start.gpus, locks)
        return True

    async def _launch(self, claim: Claim, gpus: tuple[str, ...], locks: GpuLocks | None) -> None:
        """Hand the attempt to a supervisor, if it is certain that it is still ours."""
        task = claim.task
        self.claimed[task.id] = claim.fence
        try:
            while not self.membership.may_start:
                if not await self._try_beat() and self._stop.is_set():
                    return  # the next agent of this name finds the claim and hands it back
                await asyncio.sleep(RETRY_FIRST)
            if self.echo is not None:
                await self.echo(task)
            attempt = attempt_file(self.settings, self.host, claim, self.gpus, gpus, self.app)
            await self.keeper.launch(attempt, locks)
            locks = None  # the keeper's now
        except OSError as error:
            await self._hand_back(claim, str(error.strerror or error))
        else:
            self.home.works()
            log.info("task %s (%s) starts", task.id, task.spec.name)
        finally:
            del self.claimed[task.id]
            if locks is not None:
                locks.close()

    async def _hand_back(self, claim: Claim, why: str) -> None:
        """Such as a full disk: not the task's fault. Another host may take it while this one takes none."""
        self.home.blocked(why)
        log.warning("task %s could not be started here and is handed back: %s", claim.task.id, why)
        reason = f"handed back: agent {self.membership.label} could not start it: {why}"
        with contextlib.suppress(Stale):
            await self.engine.attempts.release(claim.task.id, claim.fence, reason=reason)

    async def _home_usable(self) -> bool:
        if await self.home.usable():
            return True
        self.state = f"takes no tasks: {self.home.trouble}"
        return False

    async def _hand_back_unheard(self) -> None:
        """After an error: release what was claimed for us without our hearing of it."""
        known = {(watched.attempt.task.id, watched.attempt.fence) for watched in self.keeper.mine}
        for task, fence in (await self.engine.claims.own(self.membership.worker_id)).items():
            if (task, fence) not in known:
                log.warning("task %s was claimed unheard: handing it back", task)
                with contextlib.suppress(Stale):
                    await self.engine.attempts.release(task, fence, reason="the claim's answer was lost")
        self._unsure = False

    # ---- around it

    async def _beat(self) -> float | None:
        return None if await self._try_beat() else min(1.0, self.settings.heartbeat)

    async def _try_beat(self) -> bool:
        metrics = await asyncio.to_thread(self.meter.read)
        try:
            await self.membership.beat(dict(self.claimed), metrics, self.state, on_work=self.look)
        except StorageError as error:
            log.log(logging.DEBUG if self._cut_off else logging.WARNING, "no heartbeat: %s", error)
            self._cut_off = True
            return False
        if self._cut_off:
            self._cut_off = False
            log.info("the server is back")
            self.look()
        return True

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
            self.state = f"works on {running} task{'s' if running != 1 else ''}"
        elif plan.wake_at is not None:
            held = [str(gpu.index) for gpu in self.gpus if gpu.uuid in snapshot.gpus_held]
            self.state = f"waits for GPU {', '.join(held)}, held by another agent of this host"
        else:
            self.state = "idle"


def _lineup(view: QueueView) -> Lineup:
    tasks = tuple(Waiting.of(task) for task in view.heads)
    return Lineup(view.queue.id, tasks, paused=view.queue.pause is not None)


def _find(snapshot: Snapshot, start: Start) -> tuple[QueueView, Task]:
    view = next(view for view in snapshot.queues if view.queue.id == start.queue)
    return view, next(task for task in view.heads if task.id == start.task)
