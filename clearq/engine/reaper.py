"""The reaper: who is dead, judged without comparing clocks.

Up to three processes keep this duty side by side. Each reads every holder's heartbeat counter each second and
remembers, on its own monotonic clock, when it last saw it change. No change for ``dead_after`` is death. A reaper
that was itself away or held up knows nothing and begins anew, so that an absent server, a clock that jumps or a
suspended reaper kill nobody. Only at its very first look it believes what :mod:`clearq.engine.witness` makes certain.
"""

from __future__ import annotations

import logging
import secrets

from clearq.clock import MonotonicClock, boottime
from clearq.engine.seat import Seat
from clearq.engine.witness import attested
from clearq.errors import StorageDenied, StorageError
from clearq.storage import Storage

log = logging.getLogger("clearq.reaper")

#: Processes that keep the duty at once.
SEATS = 3

#: Seconds between looks; one held up for longer than this many seconds forgets what it saw.
INTERVAL = 1.0
HELD_UP = 5.0

#: A server that was away for long breaks a look; one that was replaced in between is noticed by its run id.
_LOOKS_A_SERVER_CHECK = 5


class Reaper:
    """One process's share of the duty: :meth:`tick` every second."""

    def __init__(self, storage: Storage, clock: MonotonicClock = boottime) -> None:
        self._storage = storage
        self._clock = clock
        self._me = secrets.token_hex(6)
        self._seen: dict[str, tuple[str, float]] = {}
        self._last = 0.0
        self._new = True
        self._run_id = ""
        self._looks = 0
        self._seats = [Seat(storage, f"reaper.{number}", self._me, 10.0) for number in range(SEATS)]
        self._seat: Seat | None = None
        self._seat_until = 0.0

    async def tick(self) -> float | None:
        """Look once; reclaim whose counter stood still for too long."""
        now = self._clock()
        if now - self._last > HELD_UP:
            self._seen.clear()
        self._last = now
        try:
            if not await self._keep_seat(now):
                return 5.0
            counters = await self._look()
            silent = await attested(self._storage, HELD_UP, self._storage.settings.dead_after) if self._new else {}
        except StorageError:
            self._seen.clear()
            self._looks = 0  # the next look asks which server answers
            self._new = False
            raise
        self._new = False
        self._seen |= {holder: (counters[holder], now - age) for holder, age in silent.items() if holder in counters}
        for holder in self._silent(counters, now):
            await self._reclaim(holder, counters[holder])
        return None

    async def _look(self) -> dict[str, str]:
        if self._looks % _LOOKS_A_SERVER_CHECK == 0:
            run_id = await self._server_run()
            if run_id != self._run_id:
                self._run_id = run_id
                self._seen.clear()
        self._looks += 1
        counters: dict[str, str] = await self._storage.command("HGETALL", self._storage.keys("beats"), patience=0)
        return counters

    async def _server_run(self) -> str:
        """Names the server's present run. An ACL user without INFO notices an absence by its errors alone."""
        try:
            server = await self._storage.command("INFO", "server", patience=0)
        except StorageDenied:
            return "?"
        return str(server.get("run_id", ""))

    def _silent(self, counters: dict[str, str], now: float) -> list[str]:
        self._seen = {
            holder: self._seen[holder] if holder in self._seen and self._seen[holder][0] == counter else (counter, now)
            for holder, counter in counters.items()
        }
        limit = self._storage.settings.dead_after
        return [holder for holder, (_, since) in self._seen.items() if now - since >= limit]

    async def _reclaim(self, holder: str, counter: str) -> None:
        limit = self._storage.settings.dead_after
        answer = await self._storage.script("reclaim", "", holder, counter, f"no heartbeat for {limit:g} s")
        if answer[0] == "reclaimed":
            log.warning("%s gave no heartbeat for %g s: reclaimed %s attempts", holder, limit, answer[1])
        self._seen.pop(holder, None)

    async def _keep_seat(self, now: float) -> bool:
        """One of the seats is ours, or becomes so. Held by a key that expires."""
        if self._seat is not None and now < self._seat_until:
            return True
        for seat in self._seats if self._seat is None else [self._seat]:
            if await seat.keep(patience=0):
                self._seat, self._seat_until = seat, now + 4.0
                return True
        self._seat = None
        self._seen.clear()
        return False
