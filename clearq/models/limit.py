"""Limits by key: how many tasks of one key may be under way at once, or begin within a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clearq.errors import UsageError
from clearq.models.base import Frozen

#: What the name of a key's rate ends with: a key may have a bound on how many run and a rate besides.
RATE = ".rate"

#: The most permits that a limit can have.
MOST_PERMITS = 1_000_000_000

_RATE = re.compile(r"\s*(\d+)\s*/\s*(\d*)\s*(s|m|h|d)\s*")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Size:
    """Permits of each key of a limit. With ``period`` (seconds) it is a rate: a permit comes back that long after its
    task was claimed, else when its task has ended. Raises UsageError.
    """

    permits: int
    period: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.permits, bool) or not isinstance(self.permits, int):
            raise UsageError(f"A limit is a whole number, not {self.permits!r}.")
        if not 1 <= self.permits <= MOST_PERMITS:
            raise UsageError(
                f"A limit of {self.permits:,} is out of range: it goes from 1 to {MOST_PERMITS:,}. "
                "Pause the queue to run nothing from it."
            )
        if self.period is not None and self.period < 0.001:
            raise UsageError(f"A period of {self.period:g} s is too short for a rate: 1 ms is the least.")

    @classmethod
    def rate(cls, text: str) -> Size:
        """From ``100/m``: so many in each second, minute, hour or day; ``5/10s`` is five in ten seconds."""
        found = _RATE.fullmatch(text) if isinstance(text, str) else None
        if found is None or found[2] == "0":
            raise UsageError(
                f"Rate {text!r} is none: write how many in which time, such as 10/s, 100/m, 1000/h, 5/d or 5/10s."
            )
        return cls(int(found[1]), float(int(found[2] or 1) * _UNITS[found[3]]))

    @classmethod
    def stored(cls, text: str) -> Size:
        """The reverse of :attr:`text`."""
        permits, _, ms = text.partition("/")
        return cls(int(permits), int(ms) / 1000 if ms else None)

    @property
    def text(self) -> str:
        """As it lies in the queue's hash: permits, or permits/ms."""
        return str(self.permits) if self.period is None else f"{self.permits}/{round(self.period * 1000)}"

    def __str__(self) -> str:
        if self.period is None:
            return f"{self.permits:,} at once"
        for unit, seconds in reversed(_UNITS.items()):
            if self.period >= seconds and self.period % seconds == 0:
                times = int(self.period // seconds)
                return f"{self.permits}/{times if times > 1 else ''}{unit}"
        return f"{self.permits}/{self.period:g}s"


class QueueLimit(Frozen):
    """A limit of a queue, with the counts of this moment over all its keys."""

    name: str
    permits: int | None = None  #: of each key; None: no size is set, so it limits nothing
    period: float | None = None  #: seconds; of a rate
    by_hand: bool = False  #: set by hand; else an app declares it
    declared: str = ""  #: what apps declare, for people to read
    keys: int = 0  #: with a permit taken or a task held
    taken: int = 0  #: permits
    full: int = 0  #: keys with no permit left
    held: int = 0  #: tasks that wait for a permit

    @property
    def size(self) -> Size | None:
        """Its size, if one is set."""
        return None if self.permits is None else Size(self.permits, self.period)


class LimitKey(Frozen):
    """One key of a limit at this moment."""

    key: str
    permits: int | None = None
    period: float | None = None  #: seconds; of a rate
    taken: int = 0
    held: int = 0
