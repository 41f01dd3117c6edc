"""Heartbeats for the children of a worker, sent by their parent: no code of theirs can hold one up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from clearq.clock import boottime
from clearq.engine import Engine
from clearq.errors import StorageError
from clearq.worker.brood import Child

log = logging.getLogger("clearq.worker")


class Heartbeats:
    """Beats for each child that has a lease, as long as there are any. :meth:`run` until cancelled."""

    def __init__(self, engine: Engine, children: Callable[[], Iterable[Child]]) -> None:
        self._engine, self._children = engine, children

    async def run(self) -> None:
        """Until cancelled."""
        every = self._engine.storage.settings.beat_every
        while True:
            held = [child for child in self._children() if child.holder and not child.ended.is_set()]
            good = await asyncio.gather(*(self._beat(child) for child in held))
            await asyncio.sleep(every if all(good) else min(every, 1.0))

    async def _beat(self, child: Child) -> bool:
        if child.suspended:
            return True
        if 0 < child.page.deadline < boottime() - self._engine.storage.settings.dead_after:
            log.error("%s: a function is past its timeout and blocks its process, which is ended", child.label)
            child.kill()
            return True
        sent, load = boottime(), child.page.load
        metrics: dict[str, float] = {"busy": load.running, "ready": load.ready, "done": load.done}
        metrics |= {"failed": load.failed, "run_seconds": load.ran, "lag_seconds": load.lagged}
        state = f"{load.running} running" if load.running else "idle"
        try:
            beat = await self._engine.workers.beat(child.holder, {}, metrics=metrics, state=state, patience=2.0)
        except StorageError as error:
            log.warning("no heartbeat: %s", error)
            return False
        except Exception:
            log.exception("no heartbeat")
            return False
        if beat.gone:
            log.warning("%s was thought dead: what it ran is run elsewhere; it begins anew", child.label)
            child.kill()
            return True
        if not child.ended.is_set():
            child.page.beat = sent
            child.say("look", work=beat.work, given=beat.given)
        return True
