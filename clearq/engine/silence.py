"""How long each holder has been silent, as one reaper knows it on its own clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class _Silence:
    counter: str
    since: float  #: it has had this value since then, or for longer
    earliest: float  #: then it did not have it yet
    exact: bool  #: nothing more can be learned about when it changed


class Silences:
    """Heartbeat counters by holder. ``limit``: seconds without a change that are death.

    A look tells only that a counter changed since the look before, so the silence that is certain is up to one look
    shorter than the true one. :meth:`vague` says whom to ask the server about, :meth:`date` takes its answer, and
    never believes more than what the two looks leave open: whatever the server's clock does, it decides nothing else.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._known: dict[str, _Silence] = {}
        self._looked: float | None = None

    def forget(self) -> None:
        """Know nothing about anybody."""
        self._known.clear()
        self._looked = None

    def look(self, counters: Mapping[str, str], asked: float, answered: float) -> None:
        """The counters that there are, from a command sent at ``asked`` whose answer came at ``answered``."""
        known, before = self._known, self._looked
        for holder in known.keys() - counters.keys():
            del known[holder]
        for holder, counter in counters.items():
            if holder not in known or known[holder].counter != counter:
                earliest = answered if before is None else before
                known[holder] = _Silence(counter, answered, earliest, before is None)
        self._looked = asked

    def vague(self, now: float) -> list[str]:
        """Those who have missed a heartbeat or two, if it can be known better since when."""
        return [holder for holder, seen in self._known.items() if not seen.exact and now - seen.since >= self.limit / 2]

    def date(self, holder: str, changed: float) -> None:
        """By the server's clock its counter last changed at ``changed`` on ours."""
        seen = self._known[holder]
        seen.since, seen.exact = min(max(changed, seen.earliest), seen.since), True

    def attest(self, holder: str, since: float) -> None:
        """It has certainly been silent since then."""
        if (seen := self._known.get(holder)) is not None:
            seen.since = min(seen.since, since)

    def drop(self, holder: str) -> None:
        """Begin anew with this one."""
        self._known.pop(holder, None)

    def over(self, now: float) -> dict[str, str]:
        """The dead, and the counter that each was seen with."""
        return {h: seen.counter for h, seen in self._known.items() if now - seen.since >= self.limit}

    def next_end(self) -> float:
        """When the first holder will be dead, if it stays silent."""
        return min((seen.since for seen in self._known.values()), default=float("inf")) + self.limit
