"""What goes to the scripts of functions and what comes back: calls, claims, ends, states."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from clearq.errors import UsageError
from clearq.models.queue import slug

How = Literal["complete", "retry", "fail", "stop", "release"]


#: The ``extra`` of a lean task.
NOTHING: Mapping[str, str] = MappingProxyType({})


class Call(NamedTuple):
    """One function to be run. ``args`` is what the worker decodes; Redis and Lua never look into it."""

    id: str
    fn: str
    args: bytes
    queue: str = "default"
    priority: int = 0
    delay: float | None = None  #: seconds
    due: float | None = None  #: seconds since the epoch
    #: Fields that only some tasks have: app, unique, unique.mode, unique.ms, after, after.rule, keep, options, fair,
    #: limits (keys of limits, see ``limits.limit_key``, space-separated); last, sizes (``name=size`` of those limits).
    extra: Mapping[str, str] = NOTHING


class Given(NamedTuple):
    """A claimed function."""

    id: str
    fence: str
    fn: str
    args: bytes
    enqueued: float  #: seconds since the epoch, the server's clock
    failures: int
    losses: int
    options: bytes
    queue: str = ""  #: its id
    #: Since when workers could have taken it: its enqueue, or the end of its delay, pause or wait for others; seconds
    #: since the epoch, the server's clock; 0: unknown.
    ready: float = 0.0


class End(NamedTuple):
    """How an attempt of a function ended."""

    id: str
    fence: str
    how: How
    payload: bytes = b""  #: result or error
    reason: str = ""
    number: str = ""  #: ms: pause before a retry or after a release, lifetime of a result; empty: default


class Turn(NamedTuple):
    """What a turn brought."""

    dead: bool  #: this holder was declared dead; nothing was taken and the ends were refused
    claims: list[Given]
    stale: list[str]  #: ids whose end was refused: somebody else has them
    coming: bool = False  #: nothing was taken, but something was given whose word is still on its way


class Gift(NamedTuple):
    """A function that was given to a worker while it waited, by whoever enqueued it."""

    number: int  #: counts what was given to this worker, from 1
    given: Given


class Held(NamedTuple):
    """What a holder answers for."""

    last: int  #: the number of the last one given to it
    fences: dict[str, str]  #: by task id


class State(NamedTuple):
    """Where a function stands."""

    status: str
    result: bytes
    error: bytes
    reason: str

    @property
    def ended(self) -> bool:
        """Will nothing more happen to it by itself?"""
        return self.status not in ("queued", "in_progress", "created")


class SetAside(NamedTuple):
    """A function that failed for good."""

    id: str
    fn: str
    queue: str  #: its id
    reason: str
    at: float  #: seconds since the epoch


def packed_plain(call: Call) -> list[bytes | str | int] | None:
    """What the short script takes for one call; None when it takes more than that to enqueue it."""
    extra = call.extra
    if call.delay is not None or call.due is not None or not -1000 <= call.priority <= 1000:
        return None
    if extra and (len(extra) > 1 or "app" not in extra):
        return None
    return ["", call.id, call.queue, _slug(call.queue), call.fn, call.args, call.priority or "", extra.get("app", "")]


def packed(call: Call) -> list[bytes | str | int]:
    """What the script takes for one call. Raises UsageError."""
    if not -1000 <= call.priority <= 1000:
        raise UsageError(f"Priority {call.priority} is out of range: it goes from -1000 to 1000, higher first.")
    flat: list[bytes | str | int] = [
        call.id,
        call.queue,
        _slug(call.queue),
        call.fn,
        call.args,
        call.priority or "",
        "" if call.delay is None else max(0, int(call.delay * 1000)),
        "" if call.due is None else int(call.due * 1000),
        len(call.extra),
    ]
    for name, value in call.extra.items():
        flat += (name, value)
    return flat


def unpacked(entries: list[list[Any]], origins: list[Any]) -> list[Given]:
    """What a turn claimed; ``origins`` are queues and how many entries came from each."""
    if not entries:
        return []
    given: list[Given] = []
    for queue, count in zip(origins[::2], origins[1::2], strict=True):
        name = queue.decode()
        given += [_given(entry, name) for entry in entries[len(given) : len(given) + count]]
    return given


def unwrapped(word: bytes) -> Gift:
    """What stands in the list of a worker: a line of numbers, then the texts in one piece."""
    head, _, body = word.partition(b"\n")
    number, at, *lengths = map(int, head.split())
    texts, start = [], 0
    for length in lengths:
        texts.append(body[start : start + length])
        start += length
    id, fence, queue, fn, options = texts
    enqueued = at / 1000
    names = (id.decode(), fence.decode(), fn.decode())
    return Gift(number, Given(*names, body[start:], enqueued, 0, 0, options, queue.decode(), enqueued))


def _slug(queue: str) -> str:
    return queue if queue == "default" else slug(queue)  # the usual one costs nothing


def _given(entry: list[Any], queue: str) -> Given:
    id, fence, fn, args, enqueued, failures, losses, options, *ready = entry
    since = int(enqueued) / 1000
    return Given(
        id.decode(),
        fence.decode(),
        fn.decode(),
        args,
        since,
        int(failures),
        int(losses),
        options,
        queue,
        max(since, int(ready[0]) / 1000) if ready else since,
    )
