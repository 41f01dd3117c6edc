"""What a process hears of the functions that are given to it, in order, late, twice or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clearq.engine.calls import Gift, Given, Held
from clearq.errors import StorageUnavailable
from clearq.worker import gifts as module
from clearq.worker.gifts import Gifts
from clearq.worker.page import Page


class World:
    """Gifts whose server says what the test lets it say."""

    def __init__(self) -> None:
        functions: Any = self
        self.page, self.taken, self.looks = Page.make(), [], 0
        self.says: asyncio.Queue[Gift | bool | Exception] = asyncio.Queue()
        self.holds: Held | Exception = Held(0, {})
        self.gifts = Gifts(functions, "w", self.page, self.take, self.look)

    taken: list[str]

    def take(self, given: Given) -> None:
        self.taken.append(given.id)

    def look(self) -> None:
        self.looks += 1

    async def listen(self, holder: str, timeout: float) -> Gift | bool:
        said = await self.says.get()
        if isinstance(said, Exception):
            raise said
        return said

    async def held(self, holder: str) -> Held:
        if isinstance(self.holds, Exception):
            raise self.holds
        return self.holds


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    made.page.close()


def gift(number: int) -> Gift:
    return Gift(number, Given(f"t{number}", f"1.g{number}x1", "f", b"[]", 0.0, 0, 0, b""))


async def test_in_order(world: World) -> None:
    for number in (1, 2):
        world.gifts.hear(gift(number))
    assert (world.taken, world.gifts.taken, world.page.taken, world.gifts.astray) == (["t1", "t2"], 2, 2, False)


async def test_a_gap_says_that_one_is_missing(world: World) -> None:
    world.gifts.hear(gift(2))
    assert (world.taken, world.gifts.astray, world.looks) == (["t2"], True, 1)


async def test_what_the_parent_withdrew_is_not_begun(world: World) -> None:
    world.page.withdrawn = 1
    world.gifts.hear(gift(1))
    assert (world.taken, world.page.taken, world.gifts.astray) == ([], 1, True)
    world.holds = Held(1, {"t1": "1.g1x1"})
    assert await world.gifts.find() == {"t1": "1.g1x1"}
    world.gifts.hear(gift(2))
    assert (world.taken, world.gifts.astray) == (["t2"], False)


async def test_what_was_found_already_is_old_news(world: World) -> None:
    world.holds = Held(3, {})
    await world.gifts.find()
    assert (world.gifts.taken, world.page.taken) == (3, 3)
    world.gifts.hear(gift(3))
    world.gifts.hear(gift(4))
    assert (world.taken, world.gifts.astray) == (["t4"], False)


async def test_a_server_that_has_forgotten_its_last_writes_gives_their_numbers_again(world: World) -> None:
    for number in (1, 2, 3):
        world.gifts.hear(gift(number))
    world.holds = Held(1, {})
    await world.gifts.find()
    assert (world.gifts.taken, world.page.taken) == (1, 1)
    world.gifts.hear(gift(2))
    assert (world.taken, world.gifts.taken, world.gifts.astray) == (["t1", "t2", "t3", "t2"], 2, False)


async def test_what_is_heard_while_it_is_asked_for_is_not_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def held(holder: str) -> Held:
        world.gifts.hear(gift(2))
        return Held(1, {"t1": "1.g1x1"})

    monkeypatch.setattr(world, "held", held)
    world.gifts.hear(gift(1))
    await world.gifts.find()
    world.gifts.hear(gift(3))
    assert (world.taken, world.gifts.taken, world.gifts.astray) == (["t1", "t2", "t3"], 3, False)


async def test_one_that_could_not_be_asked_for_is_asked_for_again(world: World) -> None:
    world.gifts.told(1)
    world.holds = StorageUnavailable("away")
    with pytest.raises(StorageUnavailable):
        await world.gifts.find()
    assert world.gifts.astray


async def test_the_parents_word(world: World) -> None:
    world.gifts.hear(gift(1))
    world.gifts.told(1)
    assert not world.gifts.astray
    world.gifts.told(2)
    assert world.gifts.astray


async def test_what_the_parent_knows_and_the_line_did_not_say_makes_a_new_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = []
    dead: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def listen(holder: str, timeout: float) -> Gift | bool:
        lines.append(holder)
        return await (dead if len(lines) == 1 else world.says.get())  # type: ignore[return-value]

    monkeypatch.setattr(world, "listen", listen)
    world.gifts.begin()
    await asyncio.sleep(0)
    world.gifts.told(1)
    world.holds = Held(1, {})
    await world.gifts.find()
    world.says.put_nowait(gift(2))
    async with asyncio.timeout(10):
        while not world.taken:
            await asyncio.sleep(0)
    await world.gifts.end()
    assert (world.taken, world.gifts.astray, dead.cancelled()) == (["t2"], False, True)


async def test_a_cut_line_may_have_carried_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_FIRST", 0.0)
    listening = asyncio.create_task(world.gifts.listen())
    for said in (StorageUnavailable("cut"), gift(1), True):
        world.says.put_nowait(said)
    async with asyncio.timeout(10):
        while world.looks < 2:
            await asyncio.sleep(0)
    assert (world.taken, world.gifts.astray) == (["t1"], True)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
