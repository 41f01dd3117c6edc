"""position: where a waiting task stands."""

from __future__ import annotations

import pytest

from tests.support.bench import NOW, TASK, Bench


async def test_over_all_lanes_of_its_queue(bench: Bench) -> None:
    await bench.queued("a")
    await bench.queued("b", fn="app.f")
    await bench.queued(TASK)
    await bench.queued("high", fn="app.f", priority="5")
    for index, id in enumerate(["high", "a", "b", TASK]):
        await bench.refuse("position", id, answer=["waiting", "default", str(index)])


async def test_a_delayed_one(bench: Bench) -> None:
    await bench.queued(delay="1500")
    await bench.refuse("position", TASK, answer=["delayed", "default", str(NOW + 1500)])


@pytest.mark.parametrize("word", ["created", "in_progress", "completed"])
async def test_one_that_does_not_wait(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse("position", TASK, answer=["no", word])


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse("position", TASK, answer=["missing"])
