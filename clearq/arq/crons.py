"""arq's cron jobs as rules of clearq."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from clearq.arq import payload
from clearq.errors import ConfigurationError
from clearq.functions.cron import CronRule, checked
from clearq.settings import Settings

_WEEKDAYS = ("mon", "tues", "wed", "thurs", "fri", "sat", "sun")


def rule_of(job: Any, queue: str, tz: str, settings: Settings) -> CronRule:
    """The rule of arq's CronJob. Slots are whole seconds; missed ones are passed over, as arq does.

    Raises ConfigurationError for a job that no rule can say.
    """
    if job.day is not None and job.weekday is not None:
        raise ConfigurationError(f"{job.name}: arq wants day and weekday both to hold; no cron expression says that.")
    weekdays = None if job.weekday is None else [_weekday(one) for one in _each(job.weekday)]
    fields = (job.minute, job.hour, job.day, job.month, weekdays, job.second)
    extra = {"unique": f"arq:{job.job_id}", "unique.mode": "done"} if job.job_id else {}
    args = payload.encode(job.name, ({},), {}, settings)
    expression = " ".join(_field(field) for field in fields)
    return checked(CronRule(job.name, job.name, expression, tz, "skip", args, queue, extra=extra))


def zone_name(given: Any) -> str:
    """The name of a time zone; of the system's where none is given. Raises ConfigurationError."""
    if given is None:
        return os.environ.get("TZ") or _system_zone()
    if given is UTC:
        return "UTC"
    name = getattr(given, "key", None) or getattr(given, "zone", None)
    if name is None:
        raise ConfigurationError(f"timezone={given!r}: give a ZoneInfo, such as ZoneInfo('Europe/Berlin').")
    return str(name)


def _system_zone() -> str:
    _, found, name = str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")
    return name.removeprefix("posix/") if found else "UTC"


def _weekday(given: Any) -> int:
    number = _WEEKDAYS.index(given.lower()) if isinstance(given, str) else int(given)
    return (number + 1) % 7  # arq's week begins with Monday, cron's with Sunday


def _each(value: Any) -> Sequence[Any]:
    return [value] if isinstance(value, int | str) else list(value)


def _field(value: Any) -> str:
    return "*" if value is None else ",".join(str(one) for one in sorted(_each(value)))
