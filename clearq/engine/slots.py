"""The arithmetic of cron slots: which moment follows, also on the days when clocks are set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from clearq.errors import UsageError

#: Seconds around a moment in which a change of the clock counts: longer than any that is still made.
_NEAR = 3 * 3600.0


def next_slot(expression: str, tz: str, after: float) -> float:
    """The first slot of ``expression`` after that moment; both in seconds since the epoch.

    A rule whose hour field begins with ``*`` follows real time: an hour that the clock leaves out has no slots, one
    that comes twice has its slots twice. Any other keeps to the calendar: what falls into an hour that is left out
    comes later by the jump, and an hour that comes twice counts the first time.
    Raises UsageError for an expression that cannot be read, or that never comes.
    """
    zone = _zone(tz)
    twice = expression.split()[1:2] != [] and expression.split()[1].startswith("*")
    near = _offsets(zone, after)
    wall = datetime.fromtimestamp(after, zone).replace(tzinfo=None, fold=0)
    best, latest = math.inf, timedelta()
    for naive in _calendar(expression, wall - (max(near) - min(near))):
        for moment in _moments(naive, zone, twice):
            if after < moment < best:
                best, latest = moment, max(_offsets(zone, moment))
        if best < math.inf and (naive - latest).replace(tzinfo=UTC).timestamp() >= best:
            return best
    raise UsageError(f"The cron expression {expression!r} never comes.")


def check_expression(expression: str, tz: str) -> None:
    """Raises UsageError for an expression or a time zone that cannot be read."""
    from croniter import croniter

    if len(expression.split()) not in (5, 6) or not croniter.is_valid(expression):
        raise UsageError(
            f"{expression!r} is no cron expression: minute hour day month weekday [second], such as '*/5 * * * *'."
        )
    _zone(tz)
    next_slot(expression, tz, 0.0)


@lru_cache(maxsize=64)
def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except (OSError, ValueError, LookupError) as error:
        raise UsageError(f"There is no time zone {tz!r}; names look like Europe/Berlin.") from error


def _calendar(expression: str, start: datetime) -> Iterator[datetime]:
    """The times on a wall clock that match, after ``start``."""
    from croniter import CroniterBadDateError, CroniterError, croniter

    try:
        times = croniter(expression, start)
        while True:
            yield times.get_next(datetime)
    except CroniterBadDateError:
        return
    except (CroniterError, KeyError) as error:
        raise UsageError(f"{expression!r} is no cron expression: {error}.") from error


def _moments(naive: datetime, zone: ZoneInfo, twice: bool) -> list[float]:
    """When a wall clock of the zone shows that time. ``twice``: by real time, else once in any case."""
    first = naive.replace(tzinfo=zone).timestamp()
    if not twice:
        return [first]
    both = {first, naive.replace(tzinfo=zone, fold=1).timestamp()}
    return sorted(each for each in both if datetime.fromtimestamp(each, zone).replace(tzinfo=None, fold=0) == naive)


def _offsets(zone: ZoneInfo, moment: float) -> list[timedelta]:
    around = (moment - _NEAR, moment, moment + _NEAR)
    return [datetime.fromtimestamp(each, zone).utcoffset() or timedelta() for each in around]
