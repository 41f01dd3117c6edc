"""An agent's place among the workers: its name, its heartbeats, and a new start after it was declared dead."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from clearq._version import __version__
from clearq.agent.lease import START_WINDOW
from clearq.agent.registry import AgentFile, Registration, Registry, me
from clearq.clock import MonotonicClock, boottime
from clearq.engine import Engine
from clearq.errors import NameTaken
from clearq.models import Lane, WorkerInfo

log = logging.getLogger("clearq.agent")


@dataclass
class Membership:
    """One worker's registration, here and at the server."""

    engine: Engine
    registry: Registry
    info: WorkerInfo  #: without its label, which is found when it registers
    file: AgentFile
    clock: MonotonicClock = boottime
    worker_id: str = ""
    _held: Registration | None = None
    _sent: float = field(default=-math.inf)  # when the last acknowledged beat was sent

    @property
    def label(self) -> str:
        """The worker's name."""
        return self.info.label

    @property
    def may_start(self) -> bool:
        """The server has heard from us lately enough: what we claimed is still ours."""
        return self.clock() - self._sent < START_WINDOW

    async def join(self, labels: Iterator[str]) -> None:
        """Register under the first name that is free. Raises NameTaken when there is none left to try."""
        taken: NameTaken | None = None
        for label in labels:
            held = self.registry.hold(label)
            if held is None:
                taken = NameTaken(f"an agent named {label!r} runs on this host already; stop it, or give a --name")
                continue
            self.info = self.info.model_copy(update={"label": label, "pid": os.getpid(), "version": __version__})
            try:
                await self._bury(held.before())
                await self._register()
            except NameTaken as error:
                held.close()
                taken = error
                continue
            except BaseException:
                held.close()
                raise
            self._held = held
            self._note()
            return
        raise taken or NameTaken("no name for this agent is free")

    async def rejoin(self) -> None:
        """We were declared dead: what we had claimed and not started is gone. Begin anew under the same name."""
        log.warning("this agent was thought dead; it begins anew")
        await self._register()
        self._note()

    async def beat(
        self, fences: dict[str, str], metrics: dict[str, float], state: str, *, on_work: Callable[[], None]
    ) -> None:
        """One heartbeat; ``on_work`` is called when a queue of ours is not empty. Joins anew when needed."""
        sent = self.clock()
        answer = await self.engine.workers.beat(self.worker_id, fences, metrics=metrics, state=state, patience=2.0)
        if answer.gone:
            await self.rejoin()
            on_work()
            return
        self._sent = sent
        if answer.work:
            on_work()

    async def listen(self, queues: tuple[str, ...]) -> bool:
        """Serve these queues (ids) from now on; False: it does so already. Raises StorageError: call it again."""
        lanes = tuple(Lane(queue=queue) for queue in queues)
        if lanes == self.info.lanes:
            return False
        worker_id = self.worker_id
        await self.engine.workers.listen(worker_id, lanes)
        if worker_id != self.worker_id:
            return False  # it began anew meanwhile, with the lanes of before: the next call tells them
        self.info = self.info.model_copy(update={"lanes": lanes})
        return True

    async def leave(self) -> None:
        """End in good order, once nothing is left that we answer for."""
        while not await self.engine.workers.unregister(self.worker_id):  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # a supervisor is about to take over what we had claimed for it

    def close(self) -> None:
        """Give the name back to this host."""
        if self._held is not None:
            self._held.close()

    async def _register(self) -> None:
        sent = self.clock()
        self.worker_id = await self.engine.workers.register(self.info)
        self._sent = sent

    async def _bury(self, before: AgentFile | None) -> None:
        """The name's last bearer is dead, for we hold its lock: nobody need wait for its heartbeat to age."""
        if before is not None and before.worker:
            await self.engine.workers.bury(before.worker, "its process is gone")

    def _note(self) -> None:
        if self._held is not None:
            self._held.note(me(self.file.model_copy(update={"label": self.label, "worker": self.worker_id})))
