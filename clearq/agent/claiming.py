"""From a decision to a running attempt: claim the task, hand it to a supervisor, or give it back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from clearq.agent.attempts import attempt_file
from clearq.agent.gpu_locks import GpuLocks
from clearq.agent.gpus import Gpu
from clearq.agent.home import Home
from clearq.agent.keeper import Keeper
from clearq.agent.membership import Membership
from clearq.agent.own_app import OwnApp
from clearq.agent.pulse import Pulse
from clearq.agent.watch import RETRY_FIRST
from clearq.engine import Engine, QueueView, Snapshot
from clearq.errors import Stale
from clearq.executors.host import HostIdentity
from clearq.models import Claim, Task
from clearq.policies import Start
from clearq.settings import Settings

log = logging.getLogger("clearq.agent")


@dataclass
class Claimer:
    """Claims for one agent."""

    settings: Settings
    engine: Engine
    host: HostIdentity
    gpus: tuple[Gpu, ...]
    membership: Membership
    keeper: Keeper
    home: Home
    pulse: Pulse
    app: OwnApp | None = None
    echo: Callable[[Task], Awaitable[None]] | None = None  #: shows a task's output on this terminal
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, start: Start, snapshot: Snapshot) -> bool:
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

    async def hand_back_unheard(self) -> None:
        """After an error: release what was claimed for us without our hearing of it."""
        known = {(watched.attempt.task.id, watched.attempt.fence) for watched in self.keeper.mine}
        for task, fence in (await self.engine.claims.own(self.membership.worker_id)).items():
            if (task, fence) not in known:
                log.warning("task %s was claimed unheard: handing it back", task)
                with contextlib.suppress(Stale):
                    await self.engine.attempts.release(task, fence, reason="the claim's answer was lost")

    async def _launch(self, claim: Claim, gpus: tuple[str, ...], locks: GpuLocks | None) -> None:
        """Hand the attempt to a supervisor, if it is certain that it is still ours."""
        task = claim.task
        self.pulse.claimed[task.id] = claim.fence
        try:
            while not self.membership.may_start:
                if not await self.pulse.send() and self.stopping.is_set():
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
            del self.pulse.claimed[task.id]
            if locks is not None:
                locks.close()

    async def _hand_back(self, claim: Claim, why: str) -> None:
        """Such as a full disk: not the task's fault. Another host may take it while this one takes none."""
        self.home.blocked(why)
        log.warning("task %s could not be started here and is handed back: %s", claim.task.id, why)
        reason = f"handed back: agent {self.membership.label} could not start it: {why}"
        with contextlib.suppress(Stale):
            await self.engine.attempts.release(claim.task.id, claim.fence, reason=reason)


def _find(snapshot: Snapshot, start: Start) -> tuple[QueueView, Task]:
    view = next(view for view in snapshot.queues if view.queue.id == start.queue)
    return view, next(task for task in view.heads if task.id == start.task)
