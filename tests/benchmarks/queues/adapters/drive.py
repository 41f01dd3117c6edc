"""A client process of the bench: ``drive.py <adapter> <verb> <count> ...`` prints one line of JSON."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
import time
from typing import Any

#: Enqueued first and not counted: connections, scripts, caches.
WARM = 20

#: Verbs that are timed as a whole; the others answer for themselves.
TIMED = ("single", "bulk")


async def awaited(adapter: Any, function: Any, values: list[Any], timed: bool) -> Any:
    """One verb of a peer that is used by coroutines."""
    await adapter.connect()
    try:
        if not timed:
            return await function(*values)
        await function(WARM)
        begun = time.perf_counter(), time.process_time()
        await function(*values)
        return _spent(*begun)
    finally:
        await adapter.close()


def called(adapter: Any, function: Any, values: list[Any], timed: bool) -> Any:
    """One verb of a peer that is used by plain calls."""
    adapter.connect()
    try:
        if not timed:
            return function(*values)
        function(WARM)
        begun = time.perf_counter(), time.process_time()
        function(*values)
        return _spent(*begun)
    finally:
        adapter.close()


def _spent(wall: float, cpu: float) -> dict[str, float]:
    return {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def main(name: str, verb: str, values: list[Any]) -> None:
    """One verb of one adapter. ``fill`` is the fastest way to enqueue that it has."""
    adapter = importlib.import_module(name)
    function = getattr(adapter, "bulk", None) or adapter.single if verb == "fill" else getattr(adapter, verb)
    if inspect.iscoroutinefunction(function):
        told = asyncio.run(awaited(adapter, function, values, verb in TIMED))
    else:
        told = called(adapter, function, values, verb in TIMED)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [json.loads(word) for word in sys.argv[3:]])
