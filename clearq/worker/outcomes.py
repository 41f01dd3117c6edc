"""From an exception to the end of an attempt. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable

import orjson

from clearq.engine.calls import End, Given
from clearq.errors import PayloadError
from clearq.functions.options import Options
from clearq.functions.signals import Cancel, Fail, Retry, Snooze
from clearq.worker.traces import Elsewhere, traceback_of

#: Characters of a traceback that are kept: its end tells most.
TRACE = 16_000

#: Characters of an error's message that are kept.
MESSAGE = 4_000

#: Characters of the reason: the one line that lists show.
REASON = 200


class BadCall(Exception):
    """The task cannot be run as it is: no retry can mend it."""


class TimedOut(Exception):
    """The function ran for longer than it may."""


def ended_by(error: BaseException, given: Given, options: Options, chance: Callable[[], float] = random.random) -> End:
    """What to report when a function raised ``error``."""
    if isinstance(error, Snooze):
        return End(given.id, given.fence, "release", b"", f"snoozed: {error}"[:REASON], _ms(error.delay))
    if isinstance(error, Cancel):
        return End(given.id, given.fence, "stop", describe(error), str(error)[:REASON])
    final = isinstance(error, BadCall | PayloadError | Fail)
    if isinstance(error, Fail) and error.__cause__ is not None and not isinstance(error.__cause__, Elsewhere):
        error = error.__cause__
    reason = one_line(error)
    if final or given.failures >= options.retries:
        return End(given.id, given.fence, "fail", describe(error), reason)
    pause = error.delay if isinstance(error, Retry) else None
    if pause is None:
        pause = options.pause(given.failures + 1, chance)
    return End(given.id, given.fence, "retry", describe(error), reason, _ms(pause))


def one_line(error: BaseException) -> str:
    """``ValueError: the first line of its message``."""
    text = (str(error).strip().splitlines() or [""])[0]
    if text and isinstance(error, BadCall | Fail | PayloadError | TimedOut | Retry):
        return text[:REASON]
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:REASON]


def describe(error: BaseException) -> bytes:
    """An error as it is kept with the task: JSON with type, message and traceback."""
    plain = isinstance(error, BadCall | PayloadError | TimedOut | Cancel)
    trace = "" if plain else traceback_of(error)[-TRACE:]
    return orjson.dumps(
        {"type": type(error).__name__, "message": _clean(str(error)[:MESSAGE]), "traceback": _clean(trace)}
    )


def _ms(seconds: float) -> str:
    return str(max(0, int(seconds * 1000)))


def _clean(text: str) -> str:
    """Text that JSON can carry: without half characters."""
    return text.encode("utf-8", "replace").decode("utf-8")
