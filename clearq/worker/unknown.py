"""Functions that this worker does not know: handed back for a while, for another may know them already."""

from __future__ import annotations

import logging

from clearq.clock import MonotonicClock, boottime
from clearq.engine.calls import End, Given
from clearq.worker.outcomes import BadCall, describe

log = logging.getLogger("clearq.worker")

#: Seconds for which a worker hands back a function that it does not know, and for which it then rests.
PATIENCE, PAUSE = 60.0, 2.0

#: Tasks that are remembered.
MOST = 10_000


class Unknown:
    """Remembers when it first met each task. During a rolling upgrade others know what this one does not."""

    def __init__(self, clock: MonotonicClock = boottime) -> None:
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._told: set[str] = set()

    def end(self, given: Given) -> End:
        """Hand it back with a pause; after a minute it has failed and is set aside."""
        now = self._clock()
        since = self._seen.setdefault(given.id, now)
        if now - since < PATIENCE:
            if given.fn not in self._told and len(self._told) < MOST:
                self._told.add(given.fn)
                log.warning(
                    "this worker does not know %s: handed back, for another may. "
                    "(Different apps in one queue need names: Clearq(name=...).)",
                    given.fn,
                )
            while len(self._seen) > MOST:
                del self._seen[next(iter(self._seen))]
            return End(given.id, given.fence, "release", b"", "unknown function", str(int(PAUSE * 1000)))
        del self._seen[given.id]
        error = BadCall(
            f"A worker of this queue was given the function {given.fn!r} for a minute and does not know it. Start "
            "workers whose app declares it, or correct the name; different apps in one queue need names, "
            "Clearq(name=...). Then enqueue the task again."
        )
        return End(given.id, given.fence, "fail", describe(error), "unknown function")
