"""Plain async functions around a call: ``async def timed(call, ctx): return await call()``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from clearq.functions.context import Context

Next = Callable[[], Awaitable[Any]]
Middleware = Callable[[Next, Context], Awaitable[Any]]


def around(middlewares: Sequence[Middleware], call: Next, context: Context) -> Next:
    """``call`` with all of them around it; the first one declared is the outermost."""
    for middleware in reversed(middlewares):
        call = partial(middleware, call, context)
    return call
