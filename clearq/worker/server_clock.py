"""The server's time of day in a worker, without asking for each task; the host's own clock may be off by any amount."""

from __future__ import annotations

import asyncio
import logging
from time import time

from clearq.clock import boottime
from clearq.engine import Engine
from clearq.errors import StorageError

log = logging.getLogger("clearq.worker")

#: Seconds between two looks: clocks drift by some milliseconds meanwhile.
EVERY = 60.0


class ServerClock:
    """How far the server's time is ahead of this host's time since boot, which never jumps."""

    def __init__(self) -> None:
        self.ahead = time() - boottime()  #: seconds; until the first look this host's clock counts

    def since(self, moment: float, now: float) -> float:
        """Seconds from a moment of the server's clock to ``now`` of :func:`~clearq.clock.boottime`; 0 at least."""
        return max(0.0, now + self.ahead - moment)

    async def follow(self, engine: Engine) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                before = boottime()
                now = await engine.cron.now()
                self.ahead = now - (before + boottime()) / 2
            except StorageError as error:
                log.debug("the server's time is not known: %s", error)
            await asyncio.sleep(EVERY)
