"""A run by hand holds its own lease: a heartbeat in the background, and an ear for stop requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from clearq.errors import ClearqError
from clearq.sdk.channels import Lease
from clearq.sdk.connection import Connection

if TYPE_CHECKING:
    from clearq.engine import Engine

log = logging.getLogger("clearq.sdk")


class Holder:
    """Beats until it is cancelled.

    ``on_stop`` is called once when somebody asked the run to end, ``on_lost`` when the task is somebody
    else's; both in the background loop.
    """

    def __init__(
        self,
        connection: Connection,
        holder_id: str,
        *,
        on_stop: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.id = holder_id
        self._connection = connection
        self._on_stop = on_stop
        self._on_lost = on_lost
        self._stopping = False
        #: The run is about to end: that the server forgets the lease is no surprise.
        self.ending = False
        self._task: asyncio.Task[None] | None = None

    def start(self, lease: Lease) -> None:
        """Begin to beat; call it in the background loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(lease))

    async def stop(self) -> None:
        """End the heartbeat; call it in the background loop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, lease: Lease) -> None:
        while True:
            try:
                engine = await self._connection.engine()
                if not await self._beat(engine, lease):
                    return
                await engine.workers.wait_bell(self.id, self._connection.settings.heartbeat)
            except ClearqError as error:
                # The outbox tells the user that the server is away; the lease may still be ours afterwards.
                log.debug("clearq: no heartbeat: %s", error)
                await asyncio.sleep(1.0)
            except Exception:  # the heartbeat must outlive its own mistakes
                log.debug("clearq: heartbeat failed", exc_info=True)
                await asyncio.sleep(self._connection.settings.heartbeat)

    async def _beat(self, engine: Engine, lease: Lease) -> bool:
        """Beat once; ``False`` when the task is no longer ours."""
        answer = await engine.workers.beat(self.id, {lease.task_id: lease.fence})
        doubtful = answer.gone or lease.task_id in answer.lost
        if doubtful and self.ending:
            return False
        if doubtful and not await engine.attempts.rejoin(lease.task_id, lease.fence, self.id):
            self._on_lost()
            return False
        if lease.task_id in answer.stop and not self._stopping:
            self._stopping = True
            self._on_stop()
        return True
