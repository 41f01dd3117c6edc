"""One attempt while it runs, and what is known of each function before any runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import Any, Literal

from clearq.clock import boottime
from clearq.engine.calls import Given
from clearq.functions.context import Context
from clearq.functions.middleware import Middleware
from clearq.functions.options import Options
from clearq.functions.registry import Registered

#: Why a call was cancelled: it took too long, somebody stopped it, the worker ends, or it is no longer ours.
Ending = Literal["", "timeout", "stop", "release", "lost"]

#: What ``should_stop`` looks at: shared, for an event is dear and hardly any call is ever asked to stop.
GOING_ON, ASKED = Event(), Event()
ASKED.set()


class Plan:
    """How calls of one function are run, worked out once."""

    __slots__ = ("decode", "direct", "encode", "function", "keep", "options", "registered")

    def __init__(self, registered: Registered, middlewares: Sequence[Middleware], key: bytes) -> None:
        codec = registered.codec
        self.registered = registered
        self.function: Callable[..., Any] = registered.function
        signed = codec.serializer == "pickle"
        self.decode = partial(codec.decode, key=key) if signed else codec.decode
        self.encode = partial(codec.encode_result, key=key) if signed else codec.encode_result
        self.options: Options = registered.options
        self.keep = self.options.lifetime
        #: Nothing stands between the arguments and the coroutine.
        self.direct = (
            registered.is_async
            and self.options.where == "loop"
            and self.options.timeout is None
            and not middlewares
            and not registered.injected
        )


class Call:
    """A running attempt."""

    __slots__ = ("began", "context", "ending", "given", "options", "plan", "task", "timer", "where")

    def __init__(self, given: Given, plan: Plan) -> None:
        self.given = given
        self.plan = plan
        self.began = boottime()
        self.options = plan.options
        self.ending: Ending = ""
        self.where = "loop"
        self.context: Context | None = None
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def fence(self) -> str:
        """Of this attempt."""
        return self.given.fence
