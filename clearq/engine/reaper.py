"""The reaper: who is dead, judged without comparing clocks.

Up to three processes keep this duty side by side. Each reads every holder's heartbeat counter each second and
remembers, on its own monotonic clock, when it last saw it change. No change for nearly ``dead_after`` is death
(:attr:`Settings.silence`): what the dead one ran is to run again within that time after its last heartbeat. So the
look that finds it dead comes when its time is over and not a second later, and of the second in which its counter
changed the server tells when. A reaper that was itself away or held up knows nothing and begins anew, so that an
absent server, a clock that jumps or a suspended reaper kill nobody. Only at the first look of its duty it believes
what :mod:`clearq.engine.witness` makes certain.
"""

from __future__ import annotations

import logging
import secrets

from clearq.clock import MonotonicClock, boottime
from clearq.engine.seat import Seat
from clearq.engine.silence import Silences
from clearq.engine.witness import ages, attested
from clearq.errors import StorageDenied, StorageError
from clearq.storage import Storage

log = logging.getLogger("clearq.reaper")

#: Processes that keep the duty at once.
SEATS = 3

#: Seconds between looks, and at least, when somebody's time is nearly over.
INTERVAL, FINEST = 1.0, 0.05

#: One held up for longer than this many seconds forgets what it saw.
HELD_UP = 5.0

#: Seconds that a seat outlives its keeper, between two keeps, and between two tries of one that has none. Who takes
#: over from a dead host must do so early enough to watch the silence of others for ``HELD_UP`` seconds itself.
SEAT, KEEP, STAND_BY = 6.0, 2.0, 2.0

#: A server that was away for long breaks a look; one that was replaced in between is noticed by its run id.
_LOOKS_A_SERVER_CHECK = 5


class Reaper:
    """One process's share of the duty: :meth:`tick` every second."""

    def __init__(self, storage: Storage, clock: MonotonicClock = boottime) -> None:
        self._storage = storage
        self._clock = clock
        self._me = secrets.token_hex(6)
        self._silences = Silences(storage.settings.silence)
        self._last = 0.0
        self._new = True
        self._run_id = ""
        self._looks = 0
        self._seats = [Seat(storage, f"reaper.{number}", self._me, SEAT) for number in range(SEATS)]
        self._seat: Seat | None = None
        self._seat_until = 0.0

    async def tick(self) -> float | None:
        """Look once; reclaim whose counter stood still for too long. Answers when to look again."""
        now = self._clock()
        if now - self._last > HELD_UP:
            self._silences.forget()
        self._last = now
        try:
            if not await self._keep_seat(now):
                return STAND_BY
            now = await self._look()
            await self._learn(now)
        except StorageError:
            self._silences.forget()
            self._looks = 0  # the next look asks which server answers
            self._new = False
            raise
        self._new = False
        for holder, counter in self._silences.over(now).items():
            await self._reclaim(holder, counter)
        wait = self._silences.next_end() - self._clock()
        return max(FINEST, wait) if wait < INTERVAL else None

    async def _look(self) -> float:
        """Read the counters; answers when they were asked for."""
        if self._looks % _LOOKS_A_SERVER_CHECK == 0:
            run_id = await self._server_run()
            if run_id != self._run_id:
                self._run_id = run_id
                self._silences.forget()
        self._looks += 1
        asked = self._clock()
        counters: dict[str, str] = await self._storage.command("HGETALL", self._storage.keys("beats"), patience=0)
        self._silences.look(counters, asked, self._clock())
        return asked

    async def _learn(self, now: float) -> None:
        """What the server knows better about the silent."""
        if self._new:
            seats = {seat.key: SEAT for seat in self._seats}
            old = await attested(self._storage, self._silences.limit, HELD_UP, seats)
            answered = self._clock()
            for holder, age in old.items():
                self._silences.attest(holder, answered - age)
        elif vague := self._silences.vague(now):
            old = await ages(self._storage, vague)
            answered = self._clock()
            for holder in vague:
                self._silences.date(holder, answered - old.get(holder, 0.0))

    async def _server_run(self) -> str:
        """Names the server's present run. An ACL user without INFO notices an absence by its errors alone."""
        try:
            server = await self._storage.command("INFO", "server", patience=0)
        except StorageDenied:
            return "?"
        return str(server.get("run_id", ""))

    async def _reclaim(self, holder: str, counter: str) -> None:
        limit = self._silences.limit
        answer = await self._storage.script("reclaim", "", holder, counter, f"no heartbeat for {limit:g} s")
        if answer[0] == "reclaimed":
            log.warning("%s gave no heartbeat for %g s: reclaimed %s attempts", holder, limit, answer[1])
        self._silences.drop(holder)

    async def _keep_seat(self, now: float) -> bool:
        """One of the seats is ours, or becomes so. Held by a key that expires."""
        if self._seat is not None and now < self._seat_until:
            return True
        for seat in self._seats if self._seat is None else [self._seat]:
            if await seat.keep(patience=0):
                self._seat, self._seat_until = seat, now + KEEP
                return True
        self._seat, self._new = None, True  # with the next seat its duty begins anew
        self._silences.forget()
        return False
