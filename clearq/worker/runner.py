"""The life of one call: look it up, decode, context, middleware, run, and say how it ended."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from clearq.clock import boottime
from clearq.engine import Engine
from clearq.engine.calls import End, Given
from clearq.engine.tally import Tally
from clearq.functions import references
from clearq.functions.context import Context, current, enter
from clearq.functions.middleware import around
from clearq.functions.options import trace_of
from clearq.functions.payloads import MARK
from clearq.worker.calls import ASKED, GOING_ON, Call, Ending, Plan
from clearq.worker.outcomes import TimedOut, ended_by
from clearq.worker.parcels import Parcels
from clearq.worker.progress import Progress
from clearq.worker.server_clock import ServerClock
from clearq.worker.threads import Threads
from clearq.worker.unknown import Unknown
from clearq.worker.warm import WarmProcesses

log = logging.getLogger("clearq.worker")

#: Seconds that cancelled code gets to end before it is left behind.
CANCEL_WITHIN = 5.0

#: Seconds that it gets when the worker ends.
HAND_BACK_WITHIN = 1.0


@dataclass(frozen=True)
class Place:
    """Where calls run, and with what."""

    app: str  #: ``module:attribute``
    concurrency: int
    settings: Mapping[str, object] = field(default_factory=dict)  #: that win over the app's, for further processes
    state: Mapping[str, Any] = field(default_factory=dict)  #: what the lifespans yielded
    key: bytes = b""  #: that pickles are signed with


class Runner:
    """Runs calls side by side; ``report`` is called with the end of each (``None``: nothing to report)."""

    def __init__(self, app: Any, engine: Engine, place: Place) -> None:
        self._app, self._engine, self._place = app, engine, place
        self.concurrency = place.concurrency
        self.calls: dict[str, Call] = {}
        self.clock = ServerClock()
        self.done = self.failed = 0
        self.ran = self.lagged = 0.0  #: seconds: of those that ended; from when they were ready to their start
        self.tally = Tally()
        self.report: Callable[[End | None], None] = lambda _: None
        self._middlewares = tuple(app.middlewares)
        self._plans: dict[str, Plan] = {}
        self._deadlines: dict[str, float] = {}
        self.tell_deadline: Callable[[float], None] = lambda _: None
        self._loop = asyncio.get_running_loop()
        self._threads = Threads()
        self._processes = WarmProcesses(place.app, place.settings)
        self._progress = Progress(engine)
        self._parcels = Parcels(engine)
        self._inline = self._parcels.inline
        self.unknown = Unknown(engine.declared, app.name)
        self.unknown.report = lambda end: self.report(end)

    async def close(self) -> None:
        """End what helps the calls."""
        await self.unknown.close()
        await self._processes.close()
        await self._progress.close()
        await self._parcels.close()

    def start(self, given: Given) -> None:
        """Begin a call; its end is reported later, never from within this."""
        plan = self._plans.get(given.fn) or self._plan(given.fn)
        if plan is None:
            self.unknown.take(given)
            return
        call = self.calls[given.id] = Call(given, plan)
        lag = self.clock.since(given.ready or given.enqueued, call.began)
        self.lagged += lag
        self.tally.began(given.queue, lag)
        call.task = self._loop.create_task(self._live(call))

    def stop(self, id: str) -> None:
        """Somebody asked for the end of a call."""
        if (call := self.calls.get(id)) is not None:
            self._end(call, "stop")

    def time_out(self, call: Call) -> None:
        """A call has run for longer than it may."""
        self._end(call, "timeout")

    def lose(self, id: str, fence: str) -> None:
        """A call is no longer ours: end it, report nothing."""
        call = self.calls.get(id)
        if call is not None and call.fence == fence:
            log.warning("task %s is no longer ours; it is ended here", id)
            self._end(call, "lost")

    def hand_back(self) -> None:
        """The worker ends: end all calls unharmed, to be run elsewhere."""
        for call in list(self.calls.values()):
            self._end(call, "release")
        self._loop.call_later(HAND_BACK_WITHIN, self._leave_behind)

    @property
    def deadline(self) -> float:
        """When the first call on the loop must have ended, on the boot-time clock; 0: none has a timeout."""
        return min(self._deadlines.values(), default=0.0)

    # ---- one call

    async def _live(self, call: Call) -> None:
        given, plan, large = call.given, call.plan, False
        try:
            if large := given.args[:3] == MARK:
                args, kwargs = plan.decode(await self._parcels.arguments(given))
            else:
                args, kwargs = plan.decode(given.args)
            call.context = context = Context(
                given.id,
                given.fn,
                1 + given.failures + given.losses,
                given.failures,
                given.losses,
                given.enqueued,
                self._app,
                self._place.state,
                self._progress.report_of(given.id),
                GOING_ON,
            )
            enter(context)
            if plan.direct and not given.options and not (args and references.referenced(args, kwargs)) and not kwargs:
                payload, keep = plan.encode(await plan.function(*args, **kwargs)), plan.keep
            else:
                payload = plan.encode(await self._guarded(call, args, kwargs))
                keep = call.options.lifetime
            if len(payload) > self._inline:
                large = True
                self._end_timeout(call)
                payload = await self._parcels.result(given, payload)
            end: End | None = End(given.id, given.fence, "complete", payload, "", keep)
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is this task's, and its reason is kept
            end = self._failed(call, error)
        if large:
            self._parcels.settled(given, end)
        self._finish(call, end)

    async def _guarded(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """With all that a function may ask for."""
        plan, context = call.plan, current()
        options = call.options = plan.options.merged(call.given.options)
        context.trace = trace_of(call.given.options)
        call.where = options.where
        if options.where != "process":
            self._begin_timeout(call)
        args, kwargs = await references.resolve(
            self._engine.functions, self._parcels, args, kwargs, codec=plan.registered.codec, key=self._place.key
        )
        if options.where != "process":  # a process of its own makes its own
            kwargs = plan.registered.inject(kwargs, self._place.state)
        return await around(self._middlewares, partial(self._run, call, args, kwargs), context)()

    async def _run(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        plan = call.plan
        is_async = plan.registered.is_async
        match call.where:
            case "process":
                return await self._processes.run(call, args, kwargs, partial(self._begin_timeout, call))
            case "thread":
                work = partial(plan.function, *args, **kwargs)
                context = contextvars.copy_context()
                return await self._threads.run(partial(context.run, _run_coroutine if is_async else _call, work))
        value = plan.function(*args, **kwargs)
        return await value if is_async else value

    def _begin_timeout(self, call: Call) -> None:
        timeout = call.options.timeout
        if timeout is None:
            return
        call.timer = self._loop.call_later(timeout, self._end, call, "timeout")
        if call.where == "loop":
            # It may block the loop, and then only the parent can end it.
            self._deadlines[call.given.id] = boottime() + timeout
            self.tell_deadline(self.deadline)

    def _end_timeout(self, call: Call) -> None:
        if call.timer is not None:
            call.timer.cancel()
            self._deadlines.pop(call.given.id, None)

    def _failed(self, call: Call, error: BaseException) -> End | None:
        given = call.given
        match call.ending:
            case "lost":
                return None
            case "stop":
                return End(given.id, given.fence, "stop", b"", "stopped while it ran")
            case "release":
                # A thread goes on until this process has ended: only then the parent hands its task back.
                return None if call.where == "thread" else _release(given)
            case "timeout":
                error = TimedOut(self._timed_out(call))
        return ended_by(error, given, call.options)

    def _finish(self, call: Call, end: End | None) -> None:
        self._end_timeout(call)
        if self.calls.get(call.given.id) is not call:
            return  # it was left behind, and has ended after all
        del self.calls[call.given.id]
        self.done += 1
        ran = boottime() - call.began
        self.ran += ran
        if end is not None:
            self.tally.ended(end.how, call.given.queue, call.given.fn, ran)
            if end.how != "complete":
                self._note(call, end)
        self.report(end)

    def _note(self, call: Call, end: End) -> None:
        if end.how in ("fail", "retry"):
            self.failed += 1
            word = "failed" if end.how == "fail" else f"failed, runs again in {int(end.number) / 1000:g} s"
            log.warning("%s %s %s: %s", call.given.fn, call.given.id, word, end.reason)

    # ---- ending a call from outside

    def _end(self, call: Call, why: Ending) -> None:
        if call.ending or call.task is None:
            return
        call.ending = why
        if call.context is not None:
            call.context.stopping = ASKED
        # Not at once: a coroutine that has not begun would end without a word.
        self._loop.call_soon(call.task.cancel)
        if why != "release":
            self._loop.call_later(CANCEL_WITHIN, self._abandon, call)

    def _abandon(self, call: Call) -> None:
        """It was cancelled and goes on. Report its end, and cancel it once more."""
        if self.calls.get(call.given.id) is not call:
            return
        log.warning("%s %s would not end; it is left behind", call.given.fn, call.given.id)
        self._finish(call, self._failed(call, asyncio.CancelledError()))
        if call.task is not None:
            call.task.cancel()

    def _leave_behind(self) -> None:
        """What has not ended by now ends with this process; the parent hands it back."""
        self.calls.clear()
        self.report(None)

    def _timed_out(self, call: Call) -> str:
        text = f"timed out after {call.options.timeout:g} s"
        return f"{text}; its thread was left behind and goes on" if call.where == "thread" else text

    def _plan(self, name: str) -> Plan | None:
        registered = self._app.registry.get(name)
        if registered is None:
            return None
        plan = self._plans[name] = Plan(registered, self._middlewares, self._place.key)
        return plan


def _release(given: Given) -> End:
    return End(given.id, given.fence, "release", b"", "handed back by a worker that was stopped")


def _call(work: Callable[[], Any]) -> Any:
    return work()


def _run_coroutine(work: Callable[[], Any]) -> Any:
    return asyncio.run(work())
