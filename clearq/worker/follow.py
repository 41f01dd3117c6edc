"""Queues that are deleted and made again while a worker listens to them.

A queue's id is never used again, so the new one of the same name has another. Without this its worker would go on
looking at the old one, and what is enqueued by name would wait for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from clearq.engine import Engine
from clearq.models import Lane
from clearq.worker.brood import Child

log = logging.getLogger("clearq.worker")


async def follow(engine: Engine, names: Iterable[str], ids: tuple[str, ...]) -> tuple[str, ...]:
    """The ids, of those that are gone those that have their names now. Raises StorageError."""
    successors: Mapping[str, str] = await engine.queues.successors(dict(zip(ids, names, strict=True)))
    for old, new in successors.items():
        log.warning("queue %s was deleted and made again: this worker goes on with the new one, %s", old, new)
    return tuple(successors.get(id, id) for id in ids)


async def turn_to(engine: Engine, children: Iterable[Child], lanes: tuple[Lane, ...]) -> None:
    """Let every child take from these lanes from now on, unless it does so. Raises StorageError: call it again."""
    queues = tuple(lane.queue for lane in lanes)
    for child in tuple(children):
        if child.holder and not child.ended.is_set() and child.queues != queues:
            child.say("queues", queues=queues)
            await engine.workers.listen(child.holder, lanes)
            child.queues = queues
