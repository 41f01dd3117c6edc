"""The timer: sleeps until the next due task or lost deadline; an earlier one rings it."""

from __future__ import annotations

import secrets

from clearq.engine.seat import Seat
from clearq.errors import StorageUnavailable
from clearq.storage import Storage

#: Seconds it sleeps at most; beats promote due tasks every 5 s as well, should it die.
_LONGEST = 5.0


class Timer:
    """One process's share of the duty: :meth:`tick` in a loop. It blocks by itself."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._me = f"timer.{secrets.token_hex(6)}"
        self._seat = Seat(storage, "timer", self._me, 15.0)

    async def tick(self) -> float | None:
        """Promote what is due, then block until the next."""
        if not await self._seat.keep():
            return _LONGEST
        now, due, more = await self._storage.script("tick", "", self._me)
        if more == "1":
            return 0.0
        wait = _LONGEST if due == "" else min(_LONGEST, max(0.0, (int(due) - int(now)) / 1000))
        if wait > 0:
            try:
                key = self._storage.keys("bell", self._me)
                await self._storage.block("BLPOP", key, f"{wait:.3f}", timeout=wait)
            except StorageUnavailable:
                return 1.0
        return 0.0
