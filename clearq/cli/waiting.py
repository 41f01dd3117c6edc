"""Why a task waits: collects what :func:`clearq.policies.explain` looks at."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from clearq.errors import QueueNotFound, TaskNotFound

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.models import Queue, Task


async def explain_wait(engine: Engine, task: Task) -> str:
    """One sentence: what ``task`` waits for, or that it does not wait."""
    from clearq.models import Status
    from clearq.policies import explain

    if task.status is not Status.QUEUED:
        return explain(task, queue=None, now=await engine.now())
    queue, place, workers = await asyncio.gather(_queue(engine, task), position(engine, task), engine.workers.list())
    limit = await engine.limits.key(task.queue, task.held_on) if task.held_on else None
    parent = await _unended(engine, task) if task.waits else None
    ahead, now = (place or 1) - 1, await engine.now()
    return explain(task, queue=queue, ahead=ahead, workers=workers, now=now, limit=limit, parent=parent)


async def _unended(engine: Engine, task: Task) -> Task | None:
    """One of the tasks that it runs after that has not ended; looked for among the first hundred."""
    for id in task.after[:100]:
        with contextlib.suppress(TaskNotFound):
            parent = await engine.tasks.get(id)
            if not parent.ended_for_good:
                return parent
    return None


async def position(engine: Engine, task: Task) -> int | None:
    """The task's place in its queue from 1, ``None`` when it stands in none (a delayed one included)."""
    found = await engine.queues.position(task.id)
    return None if found is None else found[1] + 1


async def _queue(engine: Engine, task: Task) -> Queue | None:
    try:
        return await engine.queues.get(task.queue) if task.queue else None
    except QueueNotFound:
        return None
