"""Cron: any number of watchers, clocks set forth and back, and one run for each slot."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clearq.engine import Engine
from clearq.engine.cron import Cron, CronRule, CronWatch, Missed, Step, plan
from clearq.engine.ids import nonce
from clearq.settings import Settings
from clearq.storage import Storage
from tests.support.bench import Bench
from tests.support.state import forget

START = 1_800_000_000.0
RULE = CronRule("minutely", "app.f", "* * * * *")


class World:
    """A clock that can be set, watchers, and a worker that ends whatever was enqueued without a trace."""

    def __init__(self, storage: Storage, rule: CronRule = RULE, watchers: int = 3) -> None:
        self.bench = Bench(storage)
        self.now = self.latest = START
        self.cron = Cron(storage, lambda: self.now)
        self.rule = rule
        self.watchers = [self.watcher() for _ in range(watchers)]
        self.ran: list[int] = []

    def watcher(self, rule: CronRule | None = None) -> CronWatch:
        return CronWatch(self.cron, [rule or self.rule])

    def set(self, change: float) -> None:
        self.now += change
        self.latest = max(self.latest, self.now)

    async def tick(self) -> None:
        """All watchers at the same time, until none has anything to do."""
        while 0.0 in await asyncio.gather(*(watcher.tick() for watcher in self.watchers)):
            pass

    async def work(self) -> None:
        """Run what waits, and forget it as if its result had expired."""
        for id in await self.bench.command("ZRANGE", "fn:default", 0, -1):
            self.ran.append(int(await self.bench.command("HGET", f"t:{id}", "slot")) // 1000)
            await self.bench.command("DEL", f"t:{id}")
            await self.bench.command("ZREM", "fn:default", id)

    def passed(self) -> list[int]:
        """All slots since the start that any clock has seen come."""
        return list(range(int(START) + 60, int(self.latest) + 1, 60))


@pytest.fixture
async def world(engine: Engine) -> World:
    world = World(engine.storage)
    await world.tick()
    return world


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(-300, 400)),
        st.tuples(st.just("tick"), st.just(0)),
        st.tuples(st.just("work"), st.just(0)),
        st.tuples(st.just("restart"), st.integers(0, 2)),
    ),
    min_size=5,
    max_size=30,
)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, missed=st.sampled_from(["once", "skip", "all"]))
def test_one_run_for_each_slot(settings_for_machine: Settings, steps: list[tuple[str, int]], missed: Missed) -> None:
    asyncio.run(live(settings_for_machine, steps, replace(RULE, missed=missed)))


async def live(settings: Settings, steps: list[tuple[str, int]], rule: CronRule) -> None:
    own = settings.model_copy(update={"namespace": f"cron-{nonce()}"})
    storage = await Storage.connect(own, own.url.get_secret_value())
    try:
        world = World(storage, rule)
        await world.tick()
        for word, number in steps:
            match word:
                case "set":
                    world.set(number)
                case "tick":
                    await world.tick()
                case "work":
                    await world.work()
                case _:
                    world.watchers[number] = world.watcher()
        world.set(world.latest - world.now)
        await world.tick()
        await world.work()
        assert len(world.ran) == len(set(world.ran)), "a slot ran twice"
        assert set(world.ran) <= set(world.passed())
        if rule.missed == "all":
            assert sorted(world.ran) == world.passed()
        elif rule.missed == "once" and world.passed():
            assert world.ran
    finally:
        await forget(storage)
        await storage.close()


LATE_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(-300, 400)),
        st.tuples(st.just("look"), st.integers(0, 2)),
        st.tuples(st.just("fire"), st.integers(0, 2)),
        st.tuples(st.just("work"), st.just(0)),
    ),
    min_size=8,
    max_size=40,
)


#: One looks, a later one looks too and means to pass over more, the first fires, its task ends, the second fires.
OVERTAKEN = [("set", 61), ("look", 0), ("set", 290), ("look", 1), ("fire", 0), ("work", 0), ("fire", 1), ("work", 0)]


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=LATE_STEPS, missed=st.sampled_from(["once", "skip", "all"]))
@example(steps=OVERTAKEN, missed="once")
def test_what_was_seen_may_be_old(settings_for_machine: Settings, steps: list[tuple[str, int]], missed: Missed) -> None:
    """Any time passes, forth or back, between a look at the table and the attempt to fire."""
    asyncio.run(look_and_fire(settings_for_machine, steps, replace(RULE, missed=missed)))


async def look_and_fire(settings: Settings, steps: list[tuple[str, int]], rule: CronRule) -> None:
    own = settings.model_copy(update={"namespace": f"cron-{nonce()}"})
    storage = await Storage.connect(own, own.url.get_secret_value())
    try:
        world, seen = World(storage, rule), dict[int, tuple[float, Step]]()
        await world.tick()
        for word, number in steps:
            match word:
                case "set":
                    world.set(number)
                case "look":
                    [slot] = await world.cron.slots([rule.name])
                    assert slot is not None
                    if slot <= world.now:
                        seen[number] = (slot, plan(rule.missed, slot, world.now, rule.next_slot))
                case "fire" if number in seen:
                    slot, step = seen[number]
                    if await world.cron.fire(rule, slot, step) == "fired":
                        assert step.run is not None and step.run <= world.now, "a slot ran before its time"
                case _:
                    await world.work()
        await world.work()
        assert len(world.ran) == len(set(world.ran)), "a slot ran twice"
        assert world.ran == sorted(world.ran)
        if rule.missed == "all":
            assert world.ran == world.passed()[: len(world.ran)], "a slot was left out"
    finally:
        await forget(storage)
        await storage.close()


async def test_slots_that_passed_unseen(world: World) -> None:
    """One hour without a worker, by each policy."""
    rules = [replace(RULE, name=missed, missed=missed) for missed in ("once", "skip", "all")]
    watch = CronWatch(world.cron, rules)
    await watch.tick()
    world.set(3600 + 30)
    while await watch.tick() == 0.0:
        pass
    ids = await world.bench.command("ZRANGE", "fn:default", 0, -1)
    by = [await world.bench.command("HGET", f"t:{id}", "cron") for id in ids]
    assert {name: by.count(name) for name in ("once", "skip", "all")} == {"once": 1, "skip": 0, "all": 60}
    assert await world.cron.slots(["once", "skip", "all"]) == [world.now + 30] * 3


async def test_it_sleeps_until_the_next_slot_but_looks_at_the_clock(world: World) -> None:
    assert await world.watchers[0].tick() == 30.0
    world.set(41)
    assert await world.watchers[0].tick() == pytest.approx(19.0)


async def test_a_later_version_takes_over(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.set(1)
    later = world.watcher(replace(RULE, args=b"[2]"))
    await later.tick()
    world.set(60)
    with caplog.at_level(logging.WARNING, "clearq.cron"):
        await world.tick()
    assert "left alone" in caplog.text
    await later.tick()
    (id,) = await world.bench.command("ZRANGE", "fn:default", 0, -1)
    assert await world.bench.command("HGET", f"t:{id}", "args") == "[2]"


async def test_a_rule_whose_data_is_gone_is_defined_anew(world: World) -> None:
    assert await world.cron.remove("minutely")
    assert not await world.cron.remove("minutely")
    assert await world.watchers[0].tick() == 1.0
    assert await world.watchers[0].tick() == 30.0
    assert await world.cron.slots(["minutely"]) == [START + 60]


async def test_a_clock_that_is_set_back_runs_nothing_twice_under_a_new_definition(world: World) -> None:
    world.set(60)
    await world.tick()
    await world.work()
    world.set(-50)
    world.watchers = [world.watcher(replace(RULE, expression="*/2 * * * *"))]
    await world.bench.command("HSET", "cron:minutely", "since", 0)
    await world.tick()
    assert await world.cron.slots(["minutely"]) == [START + 120]
    assert world.ran == [int(START) + 60]


async def test_by_the_servers_own_clock(engine: Engine) -> None:
    watch = CronWatch(engine.cron, [RULE])
    wait = await watch.tick()
    (slot,) = await engine.cron.slots(["minutely"])
    assert wait is not None and 0 < wait <= 30.0
    assert slot is not None and slot % 60 == 0
