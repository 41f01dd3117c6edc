"""An agent's heartbeats, and whether they reach the server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from clearq.agent.machine import MachineMeter
from clearq.agent.membership import Membership
from clearq.errors import StorageError

log = logging.getLogger("clearq.agent")


@dataclass
class Pulse:
    """Sends what the agent does and how the machine is; ``look`` is called when there may be work."""

    membership: Membership
    meter: MachineMeter
    look: Callable[[], None]
    state: str = "idle"  #: what the agent does, in words
    claimed: dict[str, str] = field(default_factory=dict)  #: task to fence: claimed, not handed over yet
    cut_off: bool = False  #: the last one did not reach the server

    async def send(self) -> bool:
        """One heartbeat. False: it did not reach the server."""
        metrics = await asyncio.to_thread(self.meter.read)
        try:
            await self.membership.beat(dict(self.claimed), metrics, self.state, on_work=self.look)
        except StorageError as error:
            self.warn("no heartbeat", error)
            self.cut_off = True
            return False
        if self.cut_off:
            self.cut_off = False
            log.info("the server is back")
            self.look()
        return True

    def warn(self, what: str, error: StorageError) -> None:
        """Say what the server's absence prevents, loudly only until the heartbeats have told of it."""
        log.log(logging.DEBUG if self.cut_off else logging.WARNING, "%s: %s", what, error)
