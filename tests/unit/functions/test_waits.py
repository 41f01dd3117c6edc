"""What a client hears of the ends that it waits for when its line is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from clearq.engine.calls import State
from clearq.errors import StorageUnavailable
from clearq.functions.waits import Waits

RUNS, ENDED = State("in_progress", b"", b"", ""), State("completed", b"1", b"", "")


class Server:
    """One task, and one bell: cut as soon as the task is watched, then silent."""

    def __init__(self) -> None:
        self.state, self.registered = RUNS, asyncio.Event()
        self.cuts = 0
        self.engine: Any = SimpleNamespace(workers=self, functions=self)

    async def wait_bell(self, name: str, timeout: float) -> bytes:
        await self.registered.wait()
        if not self.cuts:
            self.cuts, self.state = 1, ENDED
            raise StorageUnavailable("cut, and the word of the end with it")
        await asyncio.Event().wait()
        raise AssertionError("it is silent")

    async def states(self, ids: Sequence[str], client: str = "") -> list[State]:
        if client:
            self.registered.set()
        return [self.state for _ in ids]


async def test_a_word_that_a_cut_line_carried_costs_no_sweep() -> None:
    server = Server()
    waits = Waits(server.engine)
    try:
        assert await waits.wait("a", timeout=20) == ENDED
    finally:
        await waits.close()
    assert server.cuts == 1
