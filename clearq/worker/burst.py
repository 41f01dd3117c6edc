"""When a burst has done its work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from clearq.engine import Engine
from clearq.engine.workers import lane_name
from clearq.errors import ClearqError, QueueNotFound
from clearq.models import Lane, Queue
from clearq.worker.brood import Child
from clearq.worker.page import Load

log = logging.getLogger("clearq.worker")

#: Seconds between two looks.
LOOK = 0.05


async def until_idle(
    engine: Engine, lanes: Callable[[], Sequence[Lane]], children: Callable[[], Sequence[Child]]
) -> None:
    """Until the children have nothing to do and nothing waits in their lanes, is delayed or held in their queues.

    A page tells of the past: what was claimed meanwhile is on it later, and may have put new tasks into the lanes.
    So the lanes must be found empty twice, and in between every child has ended nothing and come back from two claims
    with nothing (the first of them may have left before an end that was not reported yet).
    """
    quiet: dict[int, Load] = {}
    gone: set[str] = set()
    while True:
        await asyncio.sleep(LOOK)
        living = [child for child in children() if not child.ended.is_set()]
        loads = {child.process.pid: child.page.load for child in living}
        busy = not loads or any(load.running or load.ready for load in loads.values())
        if busy or await _waiting(engine, lanes(), gone):
            quiet = {}
        elif {pid: load.done for pid, load in loads.items()} != {pid: load.done for pid, load in quiet.items()}:
            quiet = loads
        elif all(load.empty >= quiet[pid].empty + 2 for pid, load in loads.items()):
            return
        for child in living:
            child.say("look", work=True)


async def _waiting(engine: Engine, lanes: Sequence[Lane], gone: set[str]) -> int:
    """Tasks of these lanes, and whatever is delayed or waits for a permit in their queues.

    Nothing waits in a queue that was deleted; that is said once (``gone`` has those of which it was).
    """
    storage = engine.storage
    try:
        names = [lane_name(lane) for lane in lanes]
        waiting = await storage.commands([("ZCARD", storage.keys(*name.split(":", 1))) for name in names])
        views = [view for lane in lanes if (view := await _view(engine, lane.queue, gone))]
        held = [await engine.limits.any_held(view.id) for view in views if view.held]
    except ClearqError as error:
        log.warning("%s", error)
        return 1
    return sum(map(int, waiting)) + sum(view.delayed for view in views) + sum(held)


async def _view(engine: Engine, queue: str, gone: set[str]) -> Queue | None:
    try:
        return await engine.queues.get(queue)
    except QueueNotFound:
        if queue not in gone:
            gone.add(queue)
            log.warning("queue %s was deleted: this burst has nothing to do in it", queue)
        return None
