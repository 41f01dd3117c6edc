"""What can be said of a function task: once where it is declared, anew for one call."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import orjson

from clearq.errors import UsageError

if TYPE_CHECKING:
    from clearq.functions.limits import Limit

Where = Literal["loop", "thread", "process"]
UniqueMode = Literal["start", "done", "time"]
AfterRule = Literal["all", "any", "run"]
Serializer = Literal["json", "pickle"]

#: What the worker decides by. Only these travel with a task, and only where they differ from the declaration.
RUNTIME = ("where", "timeout", "retries", "retry_delay", "retry_delay_max", "retry_jitter", "keep_result")


class OptionFields(TypedDict, total=False):
    """The names of :class:`Options`, for ``**options`` that a type checker can follow."""

    queue: str
    priority: int
    delay: float | None
    at: datetime | float | None
    unique: str | bool
    unique_mode: UniqueMode
    unique_for: float | None
    limits: Limit | Sequence[Limit] | None
    fair: str
    after: Sequence[Any]
    after_rule: AfterRule
    where: Where
    timeout: float | None
    retries: int
    retry_delay: float
    retry_delay_max: float
    retry_jitter: float
    keep_result: float | None
    losses: int | None
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Durations are seconds. Raises UsageError for values out of range."""

    queue: str = "default"  #: name or id; made when there is none
    priority: int = 0  #: -1000 to 1000, higher first
    delay: float | None = None  #: not before so many seconds from now
    at: datetime | float | None = None  #: not before this moment (an aware datetime, or seconds since the epoch)
    #: While a task holds this key, enqueue answers that one and makes none. ``{name}`` stands for an argument;
    #: ``True`` is the function's name and all its arguments.
    unique: str | bool = False
    unique_mode: UniqueMode = "done"  #: held until the task starts, is done, or for ``unique_for`` seconds
    unique_for: float | None = None
    limits: Limit | Sequence[Limit] | None = None  #: by key, see :func:`clearq.limit`
    #: Its key in a fair queue, whose keys take turns; ``{name}`` stands for an argument. A new queue is made fair.
    fair: str = ""
    after: Sequence[Any] = ()  #: handles or ids of tasks that must end first
    #: ``all`` must complete, ``any`` one suffices, ``run`` once all have ended, however.
    after_rule: AfterRule = "all"
    where: Where = "loop"  #: plain functions run in a ``thread`` unless told otherwise
    timeout: float | None = None
    retries: int = 0  #: further attempts after a failure; a lost worker does not count
    retry_delay: float = 1.0  #: before the first retry; doubles each time
    retry_delay_max: float = 300.0
    retry_jitter: float = 0.25  #: the pause is shortened by up to this share of it
    #: At least 60 s of it are kept; ``None``: an hour, and with gpus until somebody deletes the task.
    keep_result: float | None = None
    losses: int | None = None  #: times it may be lost with its worker (default 3)
    gpus: int = 0

    def __post_init__(self) -> None:
        for wrong, message in _mistakes(self):
            if wrong:
                raise UsageError(message)

    @property
    def lifetime(self) -> str:
        """Of an ended task, in the engine's words: milliseconds, empty for what it gives by itself."""
        return "" if self.keep_result is None else str(int(self.keep_result * 1000))

    def pause(self, failures: int, chance: Callable[[], float] = random.random) -> float:
        """Seconds before the next attempt, after so many failures (the one just met included)."""
        whole = min(self.retry_delay_max, self.retry_delay * 2.0 ** min(max(0, failures - 1), 64))
        return whole * (1.0 - self.retry_jitter * chance())

    def with_(self, changes: OptionFields) -> Options:
        """A changed copy."""
        try:
            return replace(self, **changes)
        except TypeError as error:
            known = ", ".join(field.name for field in fields(Options))
            raise UsageError(f"There is no such option ({error}). Options are: {known}.") from None

    def merged(self, travelled: bytes) -> Options:
        """These options with what a task's ``options`` field changes. Raises UsageError for a field that is damaged."""
        return _merged(self, travelled) if travelled else self

    def travelling(self, declared: Options, trace: str = "") -> str:
        """The task's ``options`` field: runtime options that differ from the declaration; empty when none does."""
        changed: dict[str, Any] = {
            name: getattr(self, name) for name in RUNTIME if getattr(self, name) != getattr(declared, name)
        }
        if trace:
            changed["trace"] = trace
        return orjson.dumps(changed).decode() if changed else ""


def trace_of(travelled: bytes) -> str:
    """The W3C ``traceparent`` a task was enqueued under, or nothing."""
    if b'"trace"' not in travelled:
        return ""
    return str(orjson.loads(travelled).get("trace", ""))


def _merged(declared: Options, travelled: bytes) -> Options:
    try:
        data = orjson.loads(travelled)
        return replace(declared, **{name: data[name] for name in RUNTIME if name in data})
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"The task's options cannot be read: {error}") from error


def _mistakes(given: Options) -> list[tuple[bool, str]]:
    return [
        (
            not -1000 <= given.priority <= 1000,
            f"priority {given.priority} is out of range: -1000 to 1000, higher first.",
        ),
        (given.delay is not None and given.at is not None, "Give delay or at, not both."),
        (given.delay is not None and given.delay < 0, "delay must be 0 or more seconds (None: none)."),
        (not given.queue, "queue needs a name or an id."),
        (given.unique_mode == "time" and not given.unique_for, "unique_mode='time' needs unique_for=seconds."),
        (
            isinstance(given.at, datetime) and given.at.tzinfo is None,
            "at needs a datetime with a time zone: datetime.now(UTC) + ..., or seconds since the epoch.",
        ),
        (given.timeout is not None and given.timeout <= 0, "timeout must be above 0 seconds (None: none)."),
        (given.retries < 0, "retries must be 0 or more."),
        (given.retry_delay < 0 or given.retry_delay_max < 0, "retry_delay and retry_delay_max must be 0 or more."),
        (not 0 <= given.retry_jitter <= 1, "retry_jitter is a share from 0 to 1."),
        (given.keep_result is not None and given.keep_result < 0, "keep_result must be 0 or more seconds."),
        (given.where not in ("loop", "thread", "process"), f"where={given.where!r}: it is loop, thread or process."),
        (given.unique_mode not in ("start", "done", "time"), "unique_mode is start, done or time."),
        (given.after_rule not in ("all", "any", "run"), "after_rule is all, any or run."),
        (given.gpus < 0, "gpus must be 0 or more."),
        (
            given.gpus > 0 and given.where == "process",
            "where='process': with gpus it is run by an agent, in a process of its own anyway; leave it out.",
        ),
    ]
