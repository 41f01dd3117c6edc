"""What an app sets up before the first call and takes down after the last."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any


async def enter_lifespans(app: Any, stack: AsyncExitStack) -> Mapping[str, Any]:
    """Enter all of them in the order of their declaration; what they yielded, by name."""
    state: dict[str, Any] = {}
    for lifespan in app.lifespans:
        yielded = await stack.enter_async_context(lifespan(app))
        state.update(yielded or {})
    return state
