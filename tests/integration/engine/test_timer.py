"""The timer: wakes what is due, sleeps until the next, is rung for an earlier one."""

from __future__ import annotations

import asyncio

import pytest

from clearq.engine import Engine, timer
from clearq.engine.timer import Timer
from tests.support.bench import NOW, TASK, WORKER, Bench
from tests.support.state import lifetimes


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine.storage)


async def due(bench: Bench, milliseconds: int, id: str = TASK) -> None:
    """A task that is due so long after the server's now."""
    await bench.call("enqueue", "", id, "default", "", milliseconds, "", "r", "n", "", "", "", "name", "n")


@pytest.fixture
def sleeps_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a bell ends its sleep, not its own turn."""
    monkeypatch.setattr(timer, "_LONGEST", 60.0)


async def test_it_wakes_what_is_due(engine: Engine, bench: Bench) -> None:
    await bench.queued(delay="1", at=1)
    await asyncio.wait_for(first_slice(Timer(engine.storage), bench), 20)
    assert (await bench.state())["q:default"].keys() == {TASK}


async def first_slice(keeper: Timer, bench: Bench) -> None:
    """A tick that is cut off when nothing is delayed any more."""
    ticking = asyncio.create_task(keeper.tick())
    while await bench.command("ZCARD", "delayed"):
        await asyncio.sleep(0.005)
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)


async def test_it_sleeps_until_the_next_and_wakes_it(engine: Engine, bench: Bench) -> None:
    await due(bench, 60)
    keeper = Timer(engine.storage)
    assert await keeper.tick() == 0.0
    await asyncio.wait_for(first_slice(keeper, bench), 20)
    assert (await bench.state())["q:default"].keys() == {TASK}


async def test_an_earlier_one_rings_it(engine: Engine, bench: Bench, sleeps_long: None) -> None:
    await due(bench, 3_600_000, "much later")
    ticking = asyncio.create_task(Timer(engine.storage).tick())
    while not await bench.command("ZCARD", "idle:timer"):
        await asyncio.sleep(0.005)
    await due(bench, 1_800_000, "later")
    assert await asyncio.wait_for(ticking, 30) == 0.0
    assert not [key for key in await bench.state() if key.startswith("bell:")]


async def test_it_does_not_sleep_over_unfinished_work(engine: Engine, bench: Bench, sleeps_long: None) -> None:
    await bench.command("SADD", "todo", "one 1", "two 2")
    assert await asyncio.wait_for(Timer(engine.storage).tick(), 30) == 0.0
    assert await bench.command("SCARD", "todo") == 1


async def test_one_keeps_the_duty_at_a_time(engine: Engine, bench: Bench) -> None:
    await bench.command("SADD", "todo", "one 1", "two 2", "three 3", "four 4")
    first, second = Timer(engine.storage), Timer(engine.storage)
    assert await first.tick() == 0.0
    assert await second.tick() == 5.0
    assert await first.tick() == 0.0
    assert 0 < (await lifetimes(engine.storage))["duty:timer"] <= 15_000
    await bench.command("DEL", "duty:timer")
    assert await second.tick() == 0.0
    assert await first.tick() == 5.0


async def test_when_it_is_dead_beats_wake_what_is_due(bench: Bench) -> None:
    await bench.worker()
    await bench.queued(delay="1000")
    await bench.call("beat", NOW + 1000, WORKER, "", "")
    assert (await bench.state())["q:default"].keys() == {TASK}
