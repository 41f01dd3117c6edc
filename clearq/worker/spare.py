"""A process that has imported all of clearq and waits: it takes the place of a child that died, at once."""

from __future__ import annotations

import asyncio
import contextlib

from clearq.worker.brood import Child

#: Seconds until one is started: not while the children start, nor for each of those that die in a row.
SPARE_AFTER = 5.0


class Spare:
    """At most one. It knows no app yet, so nothing of the user's code has run in it."""

    def __init__(self) -> None:
        self._child: Child | None = None

    async def keep(self) -> None:
        """See to it that there is one, until cancelled."""
        while True:
            await asyncio.sleep(SPARE_AFTER)
            if self._child is None or self._child.ended.is_set():
                await self.close()
                with contextlib.suppress(OSError):
                    self._child = await Child.spawn(spare=True)

    def take(self) -> Child | None:
        """The one that waits, if any."""
        child = self._child
        if child is None or child.ended.is_set():
            return None
        self._child = None
        return child

    async def close(self) -> None:
        """End it."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            await child.ended.wait()
            child.page.close()
