"""When a burst may end: what its children said may be old."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from clearq.worker import burst
from clearq.worker.page import Load


async def looks(monkeypatch: pytest.MonkeyPatch, *told: tuple[Load, int]) -> int:
    """How many of these looks (load of the one child, tasks that wait) a burst takes until it ends."""
    left: Iterator[tuple[Load, int]] = iter(told)
    taken = 0

    class Page:
        @property
        def load(self) -> Load:
            nonlocal taken, waits
            taken += 1
            load, waits = next(left)
            return load

    waits = 0

    async def waiting(engine: Any, lanes: Any, gone: Any) -> int:
        return waits

    monkeypatch.setattr(burst, "LOOK", 0.0)
    monkeypatch.setattr(burst, "_waiting", waiting)
    child: Any = SimpleNamespace(
        ended=asyncio.Event(), process=SimpleNamespace(pid=1), page=Page(), say=lambda word, **more: None
    )
    await burst.until_idle(SimpleNamespace(), tuple, lambda: [child])  # type: ignore[arg-type]
    return taken


async def test_it_ends_after_two_empty_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looks(monkeypatch, *((Load(empty=number), 0) for number in range(9))) == 3


async def test_what_was_claimed_unseen_begins_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    idle, ran = (Load(empty=1), 0), Load(done=5, empty=1)
    more = [(Load(done=5, empty=number), 0) for number in (1, 2, 3, 4)]
    assert await looks(monkeypatch, idle, (ran, 0), *more) == 5
    running = (Load(running=1, empty=9), 0)
    assert await looks(monkeypatch, idle, running, *((Load(done=1, empty=n), 0) for n in (9, 10, 11))) == 5


async def test_work_that_appears_meanwhile_is_done_first(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [(Load(empty=1), 0), (Load(empty=3), 1), *((Load(empty=number), 0) for number in (3, 4, 5))]
    assert await looks(monkeypatch, *told) == 5
