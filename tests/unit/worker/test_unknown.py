"""What becomes of functions that this worker does not know, by who else is there."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from clearq.engine.calls import End, Given
from clearq.engine.declared import Present, Speaker
from clearq.errors import StorageUnavailable
from clearq.worker.unknown import FRESH, PASS_LAST, PATIENCE, PAUSE, Unknown

ME = Speaker("lab:fn0", frozenset({"mine"}))
KNOWS, OLD = Speaker("lab:fn1", frozenset({"f"})), Speaker("old:fn0", None)


class World:
    """``Unknown`` of an app, with a clock and the workers that the test names."""

    def __init__(self, app: str = "") -> None:
        self.now, self.asked = 1000.0, 0
        self.away = False
        self.lanes: dict[str, list[Speaker]] = {"fn:q": [ME]}
        self.ends: asyncio.Queue[End] = asyncio.Queue()
        self.asides: list[float] = []
        declared: Any = self
        self.unknown = Unknown(declared, app, lambda: self.now)
        self.unknown.report = self.ends.put_nowait
        self.unknown.step_aside = self.asides.append

    async def present(self, patience: float) -> Present:
        self.asked += 1
        if self.away:
            raise StorageUnavailable("away")
        return Present(len(self.lanes), self.lanes)

    async def end(self, id: str = "id", fn: str = "f") -> End:
        self.unknown.take(Given(id, "1.x", fn, b"[]", 0.0, 0, 0, b"", "q"))
        return await asyncio.wait_for(self.ends.get(), 10)

    async def after(self, seconds: float, id: str = "id", fn: str = "f") -> End:
        self.now += seconds
        return await self.end(id, fn)


async def test_what_nobody_knows_is_handed_back_for_a_minute_and_then_fails() -> None:
    world = World()
    assert [(await world.after(seconds)).number for seconds in (0, PATIENCE - 1)] == [str(int(PAUSE * 1000))] * 2
    end = await world.after(1)
    assert (end.how, end.reason) == ("fail", "unknown function")
    message = orjson.loads(end.payload)["message"]
    assert "'f'" in message
    assert "asked: lab:fn0." in message
    assert (await world.after(0)).how == "release", "enqueued again it gets its minute again"
    assert world.asides == []


async def test_what_another_knows_is_left_to_it_as_long_as_it_lives() -> None:
    world = World()
    world.lanes["fn:q"] = [ME, KNOWS]
    ends = [await world.after(PATIENCE) for _ in range(20)]
    assert {end.how for end in ends} == {"release"}
    pauses = [int(end.number) / 1000 for end in ends]
    assert pauses[0] < 0.1, "at first hardly any"
    assert pauses == sorted(pauses)
    assert pauses[-1] == PASS_LAST
    assert all(aside > pause for aside, pause in zip(world.asides, pauses, strict=True)), "the other is woken first"

    world.lanes["fn:q"] = [ME]
    assert (await world.after(PATIENCE)).how == "release", "the minute begins when nobody knows it any more"
    assert (await world.after(PATIENCE)).how == "fail"


async def test_one_that_has_just_come_and_knows_it_is_seen_before_a_failure() -> None:
    world = World()
    await world.end()
    await world.after(PATIENCE - FRESH / 2)
    world.lanes["fn:q"] = [ME, KNOWS]
    assert (await world.after(FRESH / 2)).how == "release"


async def test_nothing_fails_while_an_older_worker_does_not_say_what_it_knows() -> None:
    world = World()
    world.lanes["fn:q"] = [ME, OLD]
    assert {(await world.after(PATIENCE)).how for _ in range(3)} == {"release"}


async def test_nothing_fails_while_nobody_can_be_asked() -> None:
    world = World()
    world.away = True
    assert {(await world.after(PATIENCE)).how for _ in range(3)} == {"release"}


async def test_who_is_there_is_asked_once_for_many() -> None:
    world = World()
    world.lanes["fn:q"] = [ME, KNOWS]
    for number in range(50):
        await world.end(f"id{number}", f"f{number}")
    assert world.asked == 1


@pytest.mark.parametrize(("app", "lane"), [("shop", "fn.shop:q"), ("", "fn:other")])
async def test_workers_of_other_lanes_do_not_count(app: str, lane: str) -> None:
    world = World(app)
    world.lanes = {lane: [KNOWS], "fn:q" if app else "fn.shop:q": [KNOWS]}
    end = await world.end()
    assert (end.number == str(int(PAUSE * 1000))) == (app == ""), "only the lane of this worker's app and that queue"
