"""When a burst has done its work."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence

from clearq.engine import Engine
from clearq.engine.workers import lane_name
from clearq.errors import ClearqError
from clearq.models import Lane
from clearq.worker.brood import Child

log = logging.getLogger("clearq.worker")

#: Seconds between two looks.
LOOK = 0.05


async def until_idle(engine: Engine, lanes: Sequence[Lane], children: Callable[[], Sequence[Child]]) -> None:
    """Until the children have nothing to do and nothing waits in their lanes, is delayed or held in their queues."""
    seen: dict[int, int] = {}
    while True:
        await asyncio.sleep(LOOK)
        living = [child for child in children() if not child.ended.is_set()]
        loads = {child.process.pid: child.page.load for child in living}
        idle = all(
            load.running == load.ready == 0 and load.empty > seen.get(pid, math.inf) for pid, load in loads.items()
        )
        for pid, load in loads.items():
            seen.setdefault(pid, load.empty)
        for child in living:
            child.say("look", work=True)
        if idle and loads and not await _waiting(engine, lanes):
            return


async def _waiting(engine: Engine, lanes: Sequence[Lane]) -> int:
    """Tasks of these lanes, and whatever is delayed or waits for a permit in their queues."""
    storage = engine.storage
    try:
        names = [lane_name(lane) for lane in lanes]
        waiting = await storage.commands([("ZCARD", storage.keys(*name.split(":", 1))) for name in names])
        views = [await engine.queues.get(lane.queue) for lane in lanes]
        held = [await engine.limits.any_held(view.id) for view in views if view.held]
    except ClearqError as error:
        log.warning("%s", error)
        return 1
    return sum(map(int, waiting)) + sum(view.delayed for view in views) + sum(held)
