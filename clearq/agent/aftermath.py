"""What is done when a supervisor has ended: its tree is ended, its task handed back, its cards freed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from clearq.agent.drain import Drain, Drained
from clearq.agent.folders import AttemptFolder
from clearq.agent.gpu_locks import GpuLocks
from clearq.agent.watch import persist
from clearq.engine import Engine
from clearq.errors import NotFoundError, Stale
from clearq.executors.trail import kill_tree
from clearq.models import AttemptFile

log = logging.getLogger("clearq.agent")

#: Seconds between two tries to end a tree that does not die.
STUBBORN = 5.0


@dataclass(frozen=True)
class Aftermath:
    """Settles ended attempts."""

    engine: Engine
    boot_id: str
    drain: Drain

    async def settle(self, attempt: AttemptFile, folder: AttemptFolder, how: str, locks: GpuLocks | None) -> None:
        """Everything that is left to do when the supervisor is gone.

        ``how``: proof of its death; empty when it never began because its agent was gone.
        """
        try:
            outcome = folder.outcome()
            if outcome is not None:
                log.info("task %s %s%s", attempt.task.id, outcome.status, outcome.reason and f": {outcome.reason}")
            elif how:
                await self._end_tree(attempt, folder)
                await self._hand_back(attempt, how)
            else:
                await self._release(attempt)
        finally:
            # The cards stay taken until they are clean, also when something went wrong above.
            self.drain.begin(Drained(attempt.task.id, attempt.fence, attempt.gpus), locks)
        await asyncio.to_thread(folder.remove)

    async def _end_tree(self, attempt: AttemptFile, folder: AttemptFolder) -> None:
        """Nothing of the attempt may live when its task runs again."""
        main, supervisor = folder.main(), folder.supervisor()
        same_boot = supervisor is not None and supervisor.boot_id == self.boot_id
        pgid, started = (main.pid, main.started) if main and same_boot else (None, None)
        while survivors := await kill_tree(attempt.marker, pgid, started=started):
            log.warning("task %s: processes %s do not end; it is not run again before", attempt.task.id, survivors)
            await asyncio.sleep(STUBBORN)

    async def _hand_back(self, attempt: AttemptFile, proof: str) -> None:
        try:
            status = await persist(
                f"task {attempt.task.id}",
                lambda: self.engine.attempts.lose(attempt.task.id, attempt.fence, proof=proof),
            )
        except (Stale, NotFoundError):
            return  # its end had been reported, or somebody else has proved the loss
        log.warning("task %s: %s; it is %s", attempt.task.id, proof, status)

    async def _release(self, attempt: AttemptFile) -> None:
        try:
            await persist(
                f"task {attempt.task.id}",
                lambda: self.engine.attempts.release(
                    attempt.task.id, attempt.fence, reason="its agent ended before it was started"
                ),
            )
        except (Stale, NotFoundError):
            return
