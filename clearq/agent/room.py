"""What of this host is free for its agent's next task."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from clearq.agent.drain import Drain
from clearq.agent.gpu_locks import is_locked
from clearq.agent.gpus import Gpu
from clearq.agent.keeper import Keeper
from clearq.agent.own_app import OwnApp, executors
from clearq.engine import Snapshot
from clearq.policies import Card, Host


@dataclass
class Room:
    """An agent's GPUs and slots, and what its attempts have taken of them."""

    gpus: tuple[Gpu, ...]
    asked: int | None  #: ``--slots``
    keeper: Keeper
    drain: Drain
    app: OwnApp | None = None  #: its functions are called in the agent's own environment

    @property
    def exclusive(self) -> bool:
        """Each task gets all GPUs and runs alone."""
        return bool(self.gpus) and self.asked is None

    @property
    def slots(self) -> int:
        """CPU tasks at once."""
        return self.asked or 1

    @property
    def left(self) -> bool:
        """Could one more task run?"""
        running = len(self.keeper.mine)
        if self.exclusive or not self.gpus:
            return running < self.slots
        return self._cpu_tasks < self.slots or not self.keeper.gpus

    def now(self, snapshot: Snapshot) -> Host:
        """What is free at this moment."""
        own = self.keeper.gpus | self.drain.busy
        uuids = {gpu.uuid for gpu in self.gpus}
        foreign = frozenset(snapshot.gpus_held) | {uuid for uuid in uuids - own if is_locked(uuid)}
        taking = len(self.keeper.mine) if self.exclusive else self._cpu_tasks
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

    @property
    def _cpu_tasks(self) -> int:
        return sum(not watched.attempt.gpus for watched in self.keeper.mine)
