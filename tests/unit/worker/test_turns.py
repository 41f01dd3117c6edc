"""What a turn claims, starts and hands back, with an engine whose answers the test gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from clearq.engine.calls import End, Gift, Given, Held, Turn
from clearq.engine.declared import Present, Speaker
from clearq.functions.options import Options
from clearq.functions.registry import Registered, Registry
from clearq.worker import turns as turns_module
from clearq.worker import unknown
from clearq.worker.page import Gate, Page
from clearq.worker.runner import Place, Runner
from clearq.worker.turns import Gone, Lease, Turns


class Asked:
    """One turn as it reached the engine; the test answers it."""

    def __init__(self, count: int, ends: Sequence[End], room: int, taken: int) -> None:
        self.count, self.ends, self.room, self.taken = count, list(ends), room, taken
        self.answer: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()

    def give(self, *ids: str, dead: bool = False, stale: Sequence[str] = ()) -> None:
        self.answer.set_result(
            Turn(dead, [Given(id, "1.n", id[0], b"[]", 0.0, 0, 0, b"", "q") for id in ids], list(stale))
        )


class FakeEngine:
    """Takes turns one after the other; says only what the test lets be ``heard``."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Asked] = asyncio.Queue()
        self.heard: asyncio.Queue[Gift | bool] = asyncio.Queue()
        self.holds = Held(0, {})
        self.functions = self.workers = self.declared = self
        self.present_workers = Present(0, {})
        self.storage = SimpleNamespace(settings=SimpleNamespace(heartbeat=5.0, payload_inline_bytes=1024))

    async def turn(
        self,
        holder: str,
        queues: Sequence[tuple[str, int]],
        count: int,
        ends: Sequence[End],
        kinds: str,
        *,
        room: int,
        taken: int,
    ) -> Turn:
        asked = Asked(count, ends, room, taken)
        self.asked.put_nowait(asked)
        return await asked.answer

    async def present(self, patience: float) -> Present:
        return self.present_workers

    async def wait_bell(self, holder: str, timeout: float) -> bool:
        await asyncio.Event().wait()
        return True

    async def listen(self, holder: str, timeout: float) -> Gift | bool:
        return await self.heard.get()

    async def held(self, holder: str) -> Held:
        return self.holds


class World:
    """Turns with a clock, a gate and functions ``w`` (waits for ``go``) and ``n`` (does nothing)."""

    def __init__(self, concurrency: int) -> None:
        self.now, self.go, self.begun = 1000.0, asyncio.Event(), 0
        self.engine, self.page = FakeEngine(), Page.make()
        registry = Registry()

        async def w() -> None:
            self.begun += 1
            await self.go.wait()

        async def n() -> None:
            self.begun += 1

        for function in (w, n):
            registry.add(Registered(function.__name__, function, Options()))
        app = SimpleNamespace(registry=registry, middlewares=(), name="")
        engine: Any = self.engine
        self.runner = Runner(app, engine, Place("x:y", concurrency))
        self.page.beat = self.now
        gate = Gate(self.page, 10.0, lambda: self.now)
        self.turns = Turns(engine, Lease("w", ("q",)), self.runner, self.page, gate, lambda: self.now)
        self.task = asyncio.create_task(self.turns.run())

    async def next(self) -> Asked:
        return await asyncio.wait_for(self.engine.asked.get(), 10)

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World(concurrency=4)
    yield world
    world.task.cancel()
    await asyncio.gather(world.task, return_exceptions=True)
    await world.runner.close()
    world.page.close()


async def test_it_claims_what_can_run_and_no_more(world: World) -> None:
    asked = await world.next()
    assert asked.count == 4
    asked.give("w1", "w2", "w3", "w4")
    await world.settle()
    assert world.begun == 4
    assert world.engine.asked.empty(), "full: it waits until one ends"
    world.go.set()
    asked = await world.next()
    assert {end.id for end in asked.ends} == {"w1", "w2", "w3", "w4"}
    assert {end.how for end in asked.ends} == {"complete"}


async def test_it_claims_ahead_as_many_as_have_just_ended(world: World) -> None:
    (await world.next()).give("n1", "n2", "n3", "n4")
    asked = await world.next()
    assert (len(asked.ends), asked.count) == (4, 8), "four can run now, four more will have ended soon"


async def test_it_does_not_claim_ahead_after_a_slow_turn(world: World) -> None:
    (await world.next()).give("w1", "w2", "w3", "w4")
    await world.settle()
    world.now += 5
    world.page.beat = world.now
    world.go.set()
    assert (await world.next()).count == 4


async def test_nothing_starts_while_the_heartbeat_is_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = await world.next()
    world.now += 11
    asked.give("n1")
    await world.settle()
    assert world.begun == 0
    world.page.beat = world.now
    assert [end.id for end in (await world.next()).ends] == ["n1"]


async def test_what_waits_for_a_slot_for_long_is_handed_back(world: World) -> None:
    (await world.next()).give("n1", "n2", "n3", "n4")
    (await world.next()).give("w1", "w2", "w3", "w4", "w5", "w6")
    await world.settle()
    assert world.begun == 8
    world.now += turns_module.HOARD + 1
    world.page.beat = world.now
    asked = await world.next()
    assert sorted((end.id, end.how) for end in asked.ends) == [("w5", "release"), ("w6", "release")]
    assert asked.count == 0


async def test_a_drain_hands_back_what_has_not_begun_and_lets_the_rest_end(world: World) -> None:
    (await world.next()).give("n1", "n2", "n3", "n4")
    (await world.next()).give("w1", "w2", "w3", "w4", "w5")
    await world.settle()
    world.turns.drain(60)
    asked = await world.next()
    assert ([(end.id, end.how) for end in asked.ends], asked.count) == ([("w5", "release")], 0)
    world.go.set()
    asked.give()
    asked = await world.next()
    assert [end.how for end in asked.ends] == ["complete"] * 4
    asked.give()
    await asyncio.wait_for(world.task, 10)


async def test_the_dead_end(world: World) -> None:
    (await world.next()).give(dead=True)
    with pytest.raises(Gone):
        await asyncio.wait_for(world.task, 10)


async def test_a_late_result_is_told_of(world: World, caplog: pytest.LogCaptureFixture) -> None:
    (await world.next()).give("n1")
    (await world.next()).give(stale=["n1"])
    await world.settle()
    assert "too late" in caplog.text
    assert "n1" in caplog.text


async def test_unknown_functions_are_handed_back(world: World) -> None:
    (await world.next()).give("x1")
    [end] = (await world.next()).ends
    assert (end.how, end.number) == ("release", "2000")


async def test_who_hands_back_what_another_knows_does_not_stand_among_the_idle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Speaker("lab:fn1", frozenset({"x"}))
    world.engine.present_workers = Present(1, {"fn:q": [other]})
    monkeypatch.setattr(unknown, "ASIDE", 0.001)
    monkeypatch.setattr(unknown, "ASIDE_EACH", 0.0)
    (await world.next()).give("x1")
    asked = await world.next()
    assert [end.how for end in asked.ends] == ["release"]
    assert asked.count > 0
    asked.give()  # nothing is left, and by that it stands among them
    asked = await world.next()
    assert (asked.ends, asked.count) == ([], 0)
    asked.give()
    asked = await world.next()
    assert asked.count == 4, "a moment later it looks again"


def gift(number: int, id: str) -> Gift:
    return Gift(number, Given(id, f"1.g{number}x1", id[0], b"[]", 0.0, 0, 0, b""))


async def test_it_begins_what_it_is_given_and_reports_its_end_in_the_turn_that_follows(world: World) -> None:
    asked = await world.next()
    assert (asked.room, asked.taken) == (4, 0)
    asked.give()
    world.engine.heard.put_nowait(gift(1, "n1"))
    asked = await world.next()
    assert [end.id for end in asked.ends] == ["n1"]
    assert (world.begun, asked.room, asked.taken, world.page.taken) == (1, 4, 1, 1)


async def test_what_runs_takes_its_room(world: World) -> None:
    (await world.next()).give("w1")
    await world.settle()
    world.engine.heard.put_nowait(gift(1, "w2"))
    assert (await world.next()).room == 2


async def test_nothing_is_given_while_the_lease_is_not_certain(world: World) -> None:
    world.now += 11
    world.turns.look()
    (await world.next()).give()
    world.turns.look()
    assert (await world.next()).room == 0


async def test_what_is_given_to_one_that_ends_is_handed_back(world: World) -> None:
    (await world.next()).give("w1")
    await world.settle()
    world.turns.drain(60.0)
    asked = await world.next()
    world.engine.heard.put_nowait(gift(1, "w2"))
    await world.settle()
    asked.give()
    asked = await world.next()
    assert [(end.id, end.how) for end in asked.ends] == [("w2", "release")]
    assert asked.room == 0


async def test_a_word_that_was_lost_is_asked_for(world: World) -> None:
    """Number 1 never came: what the server says we have and do not know is handed back."""
    (await world.next()).give("w3")
    await world.settle()
    world.engine.holds = Held(2, {"w1": "1.g1x1", "w2": "1.g2x1", "w3": "1.n"})
    world.engine.heard.put_nowait(gift(2, "w2"))
    asked = await world.next()
    assert [(end.id, end.fence, end.how) for end in asked.ends] == [("w1", "1.g1x1", "release")]
    assert asked.taken == 2
    world.engine.heard.put_nowait(gift(1, "w1"))  # it comes after all: too late
    await world.settle()
    assert world.begun == 2
