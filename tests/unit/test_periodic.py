"""Duties outlive their mistakes, wake on their event and end when told."""

from __future__ import annotations

import asyncio

import pytest

from clearq.errors import StorageUnavailable
from clearq.periodic import Duties, Duty


async def test_a_failing_tick_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    done = asyncio.Event()
    pauses: list[float] = []

    async def tick() -> float | None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise StorageUnavailable("away")
        if len(calls) == 2:
            raise RuntimeError("a mistake")
        done.set()
        return 1000.0

    async def no_pause(duty: Duty, delay: float) -> None:
        pauses.append(delay)
        await asyncio.sleep(0 if delay < 100 else 1000)

    monkeypatch.setattr(Duties, "_pause", staticmethod(no_pause))
    duties = Duties()
    duties.start(Duty("d", 5.0, tick))
    await done.wait()
    await duties.close()
    assert pauses[:2] == [1.0, 4.0]


async def test_a_duty_wakes_on_its_event() -> None:
    woken, ticked = asyncio.Event(), asyncio.Queue[int]()

    async def tick() -> float | None:
        ticked.put_nowait(1)
        return None

    duties = Duties()
    duties.start(Duty("d", 1000.0, tick, woken))
    await ticked.get()
    woken.set()
    await ticked.get()
    await duties.close()


async def test_two_duties_of_one_name_are_refused() -> None:
    async def tick() -> float | None:
        return None

    duties = Duties()
    duties.start(Duty("d", 1000.0, tick))
    with pytest.raises(ValueError, match="'d' runs already"):
        duties.start(Duty("d", 1000.0, tick))
    await duties.close()
