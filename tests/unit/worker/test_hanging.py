"""A parent takes back what was given to a process that hangs, and only what that process has not taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from clearq.clock import boottime
from clearq.worker import hanging as module
from clearq.worker.hanging import Hanging
from clearq.worker.page import Page


class World:
    """One child, and a server that has given it ``last`` functions."""

    def __init__(self) -> None:
        self.page, self.last, self.wakes = Page.make(), 2, False
        self.asked: list[tuple[int, int]] = []
        self.again = asyncio.Event()
        self.said: list[tuple[str, bool]] = []
        self.child: Any = SimpleNamespace(holder="w", label="w", page=self.page, ended=asyncio.Event(), say=self.say)

    def say(self, word: str, *, work: bool) -> None:
        self.said.append((word, work))

    async def withdraw(self, holder: str, taken: int = 0, upto: int = 0) -> tuple[int, int]:
        self.asked.append((taken, upto))
        if self.wakes and not upto:
            self.page.taken = self.last
        self.again.set()
        return self.last, max(0, upto - taken)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(module, "LOOK", 0.0)
    world = World()
    functions: Any = world
    watch = asyncio.create_task(Hanging(functions, lambda: [world.child]).run())
    yield world
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    world.page.close()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_that_gives_signs_is_left_alone(world: World) -> None:
    await settle()
    assert world.asked == [], "it does not work yet"
    world.page.sign = boottime()
    await settle()
    assert world.asked == []


async def test_what_it_has_not_taken_goes_to_others(world: World) -> None:
    world.page.taken, world.page.sign = 1, boottime() - 5
    await settle()
    assert world.asked == [(0, 0), (1, 2)]
    assert world.page.withdrawn == 2


async def test_one_that_wakes_up_meanwhile_keeps_all(world: World) -> None:
    world.wakes, world.page.sign = True, boottime() - 5
    await settle()
    assert world.asked == [(0, 0)]


async def test_it_asks_again_while_it_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question of the process may have been on its way, and opened its door again."""
    monkeypatch.setattr(module, "AGAIN", 0.0)
    world.page.taken, world.page.sign = 2, boottime() - 5
    await settle()
    assert len(world.asked) > 2


async def test_one_that_hangs_no_longer_is_told_to_look_once(world: World) -> None:
    """It was taken out of the idle, so nothing else would tell it of work."""
    world.page.taken, world.page.sign = 2, boottime() - 5
    await settle()
    assert world.said == []
    world.page.sign = boottime()
    await settle()
    assert world.said == [("look", True)]
