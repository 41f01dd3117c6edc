"""Declared functions: called they run here, enqueued they run on a worker."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, ParamSpec, Self, TypeVar, Unpack

from clearq.engine.calls import Call
from clearq.errors import ConflictError
from clearq.functions.client import Client, Home, client_of, signing_key
from clearq.functions.cron import CronRule, Missed
from clearq.functions.fair import FairPlan
from clearq.functions.fan import enqueue_many, fan_out_ordered
from clearq.functions.handle import Handle
from clearq.functions.limits import LimitPlan, filled
from clearq.functions.options import OptionFields, Options
from clearq.functions.references import ResultOf
from clearq.functions.registry import Registered
from clearq.functions.tagged import dump
from clearq.functions.tracing import traceparent
from clearq.models.ids import new_id

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Request(Generic[R]):
    """A call that was not enqueued yet: what ``enqueue_many`` takes."""

    task: FunctionTask[..., R]
    call: Call

    def handle(self, word: str) -> Handle[R]:
        """The handle on it, by what the engine answered. Raises ConflictError when another task has its id."""
        return self.task.handle_of(self.call.id, word)


class FunctionTask(Generic[P, R]):
    """A function of an app. ``enqueue`` and its kin take what the function takes."""

    def __init__(self, home: Home, entry: Registered, options: Options) -> None:
        self.entry = entry
        self.name = entry.name
        self.given = options  #: the options of this declaration or of :meth:`options`
        self.__wrapped__ = entry.function
        self.__doc__ = entry.function.__doc__
        self._home = home
        self._codec = entry.codec
        self._due = options.at.timestamp() if isinstance(options.at, datetime) else options.at
        self._limits = _limit_plan(home, entry, options) if options.limits else None
        self._sizes = self._limits.declared if self._limits else ""
        self._fair = FairPlan(entry.name, options.fair, entry.arguments) if options.fair else None
        self._extra = _constant_fields(home, entry, options, self._limits)
        #: Is the call the same for every argument, but for the id?
        self._plain = not options.unique and not options.after and not self._fair
        self._plain = self._plain and not (self._limits and self._limits.varies)

    def options(self, **changes: Unpack[OptionFields]) -> Self:
        """The same function with other options; make it once for many calls. Raises UsageError."""
        return type(self)(self._home, self.entry, self.given.with_(changes))

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Put a call into the queue.

        Calls of one turn of the event loop travel together. Raises PayloadError (wrong arguments, or such as cannot
        travel), StorageUnavailable, TaskNotFound (a task to run after), ArtifactError (large arguments could not be
        stored).
        """
        call = self._call(args, kwargs)
        client = await client_of(self._home)
        if len(call.args) > client.inline:
            [handle] = await enqueue_many(self._home, [Request(self, call)])
            return handle
        if self.given.gpus:
            return self.handle_of(call.id, await self.submit(client, call))
        return self.handle_of(call.id, await client.functions.enqueue(call))

    async def submit(self, client: Client, call: Call) -> str:
        """Enqueue a call that needs GPUs: as a task for agents, by its code's reference."""
        from clearq.functions import gpus

        return await gpus.submit(client, self._home, self.entry.function, self.given, call)

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """:meth:`enqueue` for code without an event loop."""
        return self._home.run_sync(self.enqueue(*args, **kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Request[R]:
        """A call to be enqueued with others: ``app.enqueue_many(resize.call(path) for path in paths)``."""
        return Request(self, self._call(args, kwargs))

    def map(self, items: Iterable[Any], *, concurrent: int = 1000) -> AsyncIterator[R]:
        """Run it for each item, at most ``concurrent`` enqueued at a time; results in the items' order.

        ``async for size in resize.map(paths): ...`` Raises what :meth:`Handle.result` raises, at that item's place.
        """
        return fan_out_ordered(self._home, (self.call(item) for item in items), concurrent)  # type: ignore[call-arg]

    def rule(self, name: str, expression: str, tz: str, missed: Missed) -> CronRule:
        """A cron rule that enqueues it without arguments. Raises PayloadError when it needs some, UsageError."""
        call = self._call((), {})
        extra = {field: value for field, value in call.extra.items() if field != "sizes"}  # the worker sets those
        return CronRule(name, self.name, expression, tz, missed, call.args, call.queue, call.priority, extra)

    def described(self, rule: CronRule) -> CronRule:
        """The rule with what a task for agents needs, where its calls are such; recorded. Raises UsageError."""
        if not self.given.gpus:
            return rule
        from clearq.functions import gpus

        return gpus.described_rule(self._home, self.entry.function, self.given, rule)

    def handle_of(self, id: str, word: str = "queued") -> Handle[R]:
        """A handle by id. ``word`` is what the engine answered: ``queued``, ``duplicate <id>`` or ``exists``."""
        if word == "queued":
            return Handle(self._home, id, self._codec)
        if word.startswith("duplicate "):
            return Handle(self._home, word.removeprefix("duplicate "), self._codec, duplicate=True)
        raise ConflictError(f"Another task has the id {id}.")

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        given = self.given
        payload = self._codec.encode(args, kwargs, signing_key(self._home) if self._codec.serializer != "json" else b"")
        extra = self._extra
        if not self._plain or (len(payload) > 2 and _waits(args, kwargs)):
            extra = {**extra, **self._own_fields(args, kwargs)}
        if "opentelemetry.trace" in sys.modules and (trace := traceparent()):
            extra = {**extra, "options": given.travelling(self.entry.options, trace)}
        if self._sizes:
            extra = {**extra, "sizes": self._sizes}  # the last: it is told to the queue and not stored with the task
        return Call(new_id(), self.name, payload, given.queue, given.priority, given.delay, self._due, extra)

    def _own_fields(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, str]:
        """The fields that depend on the arguments."""
        fields = {}
        parents = [str(parent) for parent in self.given.after]
        parents += [value.id for value in (*args, *kwargs.values()) if isinstance(value, ResultOf)]
        if parents:
            fields["after"] = " ".join(dict.fromkeys(parents))
            fields["after.rule"] = self.given.after_rule
        if self.given.unique:
            fields["unique"] = self._unique_key(self.given.unique, args, kwargs)
            fields["unique.mode"] = self.given.unique_mode
            if self.given.unique_for:
                fields["unique.ms"] = str(int(self.given.unique_for * 1000))
        if self._limits and self._limits.varies:
            fields["limits"] = self._limits.keys(self._codec.bind(args, kwargs))
        if self._fair:
            fields["fair"] = self._fair.key(self._codec, args, kwargs)
        return fields

    def _unique_key(self, unique: str | bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        bound = self._codec.bind(args, kwargs)
        for parameter in self.entry.injected:
            bound.pop(parameter, None)
        if unique is True:
            digest = hashlib.sha256(dump(bound, f"arguments of {self.name}")).hexdigest()[:32]
            return f"{self.name}:{digest}"
        return filled(str(unique), bound, f"unique={unique!r}", self.name)


class AsyncTask(FunctionTask[P, R]):
    """A declared coroutine function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Run it here, as if it were not declared."""
        result: Coroutine[Any, Any, R] = self.entry.function(*args, **kwargs)
        return result


class PlainTask(FunctionTask[P, R]):
    """A declared plain function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here, as if it were not declared."""
        result: R = self.entry.function(*args, **kwargs)
        return result


def _waits(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(type(value) is ResultOf for value in args) or (
        bool(kwargs) and any(type(value) is ResultOf for value in kwargs.values())
    )


def _limit_plan(home: Home, entry: Registered, options: Options) -> LimitPlan:
    """Its limits, known to the app from now on. Raises UsageError."""
    plan = LimitPlan(entry.name, options.limits, entry.arguments)
    for name, size in plan.sizes.items():
        home.registry.add_limit(options.queue, name, size, entry.name)
    return plan


def _constant_fields(home: Home, entry: Registered, options: Options, limits: LimitPlan | None) -> dict[str, str]:
    """The task's further fields that no argument changes; a lean task has none."""
    fields = {}
    if home.name:
        fields["app"] = home.name
    travelling = options.travelling(entry.options)
    if travelling:
        fields["options"] = travelling
    if options.losses is not None:
        fields["limits.losses"] = str(options.losses)
    if options.lifetime:
        fields["keep"] = options.lifetime  # a worker says it with the result; it may be stopped before any has it
    if limits is not None and not limits.varies:
        fields["limits"] = limits.constant
    return fields
