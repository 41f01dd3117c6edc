"""The queues that a worker takes from, and what its app says of them: which are fair, and their limits by key.

A queue's id is never used again: one that is deleted and made again by the same name has another. Without following
it a worker would go on looking at the old one, and what is enqueued by name would wait for ever.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clearq.engine import Engine
from clearq.errors import QueueExists, QueueNotFound
from clearq.models import Lane
from clearq.models.limit import Size
from clearq.worker.brood import Child

log = logging.getLogger("clearq.worker")


@dataclass
class Served:
    """Made ready by :meth:`prepare`; :meth:`follow` keeps up with queues that are deleted and made again."""

    engine: Engine
    names: tuple[str, ...]
    kind: str  #: of its lanes: ``function`` or ``function.<app>``
    fair: frozenset[str] = frozenset()  #: names of queues for which the app's functions give keys
    limits: Sequence[Sequence[str]] = ()  #: queue, name and size of each limit that the app declares
    ids: tuple[str, ...] = ()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """What its children take from."""
        return tuple(Lane(queue=queue, kind=self.kind) for queue in self.ids)

    async def prepare(self) -> None:
        """Make the queues that are missing, and say the limits. Raises StorageError."""
        self.ids = tuple([await self._queue(name) for name in self.names])
        await self._declare_limits()

    async def follow(self, children: Iterable[Child]) -> None:
        """Let children go on with the successors of queues that were deleted. Raises StorageError: call it again."""
        ids = await self._successors()
        if ids != self.ids:
            await self._declare_limits()
            self.ids = ids
        for child in tuple(children):
            if child.holder and not child.ended.is_set() and child.queues != ids:
                child.say("queues", queues=ids)
                await self.engine.workers.listen(child.holder, self.lanes)
                child.queues = ids

    async def _successors(self) -> tuple[str, ...]:
        """The ids, of queues that are gone those that have their names now."""
        found: Mapping[str, str] = await self.engine.queues.successors(dict(zip(self.ids, self.names, strict=True)))
        for old, new in found.items():
            log.warning("queue %s was deleted and made again: this worker goes on with the new one, %s", old, new)
        return tuple(found.get(id, id) for id in self.ids)

    async def _queue(self, name: str) -> str:
        """The id of that queue, which is made when there is none: a fair one where the app's functions give keys."""
        queues = self.engine.queues
        try:
            queue = await queues.get(name)
        except QueueNotFound:
            try:
                queue = await queues.create(name, fair=name in self.fair)
            except QueueExists:
                queue = await queues.get(name)
        if name in self.fair and not queue.fair:
            log.warning(
                "queue %r is not fair, so it refuses calls with fair=; while nothing waits in it, "
                "`clearq queue fair %s --on` changes that",
                queue.name,
                shlex.quote(queue.name),
            )
        return queue.id

    async def _declare_limits(self) -> None:
        """What the app says of its limits holds from now on, unless somebody has set a size by hand."""
        for queue, name, text in self.limits:
            size = Size.stored(text)
            holds = await self.engine.limits.declare(await self._queue(queue), name, size)
            if holds != size:
                log.warning("limit %s of queue %s was set to %s by hand; the app declares %s", name, queue, holds, size)
