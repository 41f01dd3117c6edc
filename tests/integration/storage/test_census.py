"""Counting and finding misplaced tasks; `places.lua`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from clearq.engine import Engine
from clearq.settings import Settings
from clearq.storage.census import Standing, standings, take
from tests.support.live import LiveSystem, live_system, spec


@pytest.fixture
async def live(settings: Settings) -> AsyncIterator[LiveSystem]:
    system = await live_system(settings)
    yield system
    await system.engine.close()


async def test_a_sound_system_has_every_task_in_its_place(live: LiveSystem) -> None:
    census = await take(live.engine.storage)
    assert census.misplaced == []
    assert census.tasks == {
        "created": 1,
        "queued": 9,
        "in_progress": 6,
        "completed": 1,
        "failed": 1,
        "stopped": 1,
        "published": 1,
    }


async def test_places_are_named(live: LiveSystem) -> None:
    names = ("queued", "app function", "delayed", "in_progress", "lost", "manual", "completed")
    ids = [live.ids[name] for name in names]
    found = dict(zip(names, await standings(live.engine.storage, [*ids, "nothing"], []), strict=False))
    fence = (await live.engine.tasks.get(live.ids["in_progress"])).fence
    assert found["queued"].places == ("q:default",)
    assert found["app function"].places == ("fn.shop:default",)
    assert found["delayed"].places == ("delayed",)
    assert found["in_progress"].places == (f"own:supervisor.{live.ids['in_progress'][:8]} {fence}",)
    assert found["lost"].places == ("lost",)
    assert found["manual"].places[0].startswith("own:laptop.1 ")
    assert found["completed"].places == ()
    assert (await standings(live.engine.storage, ["nothing"], ["q:default"])) == [Standing("missing", "", "", ())]


@pytest.mark.parametrize(
    ("name", "command", "fault"),
    [
        ("queued", ("ZREM", "q:default", "ID"), "stands in nowhere"),
        ("queued", ("ZADD", "delayed", "1", "ID"), "q:default"),
        ("queued", ("ZADD", "q:gpu-queue", "1", "ID"), "q:gpu-queue"),
        ("delayed", ("ZREM", "delayed", "ID"), "nowhere"),
        ("function", ("HSET", "own:x", "ID", "1.a 5"), "own:x 1.a"),
        ("in_progress", ("ZADD", "lost", "1", "ID"), "lost"),
        ("in_progress", ("HSET", "t:ID", "fence", "9.z"), "fence 9.z"),
        ("manual", ("DEL", "own:laptop.1"), "nowhere"),
        ("completed", ("ZADD", "q:default", "1", "ID"), "completed, but"),
        ("created", ("DEL", "t:ID"), None),
        ("queued", ("DEL", "t:ID"), "missing, but"),
    ],
)
async def test_broken_rules_are_found(live: LiveSystem, name: str, command: tuple[str, ...], fault: str | None) -> None:
    verb, key, *rest = (word.replace("ID", live.ids[name]) for word in command)
    await live.engine.storage.command(verb, live.engine.storage.keys(key), *rest)
    misplaced = (await take(live.engine.storage)).misplaced
    if fault is None:
        assert misplaced == []
        return
    ((task_id, says),) = misplaced
    assert task_id == live.ids[name]
    assert fault in says


async def test_no_false_alarm_while_work_goes_on(engine: Engine) -> None:
    system = LiveSystem(engine)
    await system._workers()
    done = asyncio.Event()

    async def work(number: int) -> int:
        rounds = 0
        while not done.is_set():
            system_of_one = LiveSystem(engine)
            system_of_one.worker = system.worker
            fence = await system_of_one.claim("task")
            id = system_of_one.ids["task"]
            await engine.attempts.start(id, fence, f"supervisor.{number}.{rounds}")
            await engine.attempts.complete(id, fence)
            rounds += 1
        return rounds

    workers = [asyncio.create_task(work(number)) for number in range(4)]
    for _ in range(10):
        census = await take(engine.storage)
        assert census.misplaced == []
        assert census.unknown == []
    done.set()
    assert sum(await asyncio.gather(*workers)) > 10


async def test_more_keys_than_a_slice(engine: Engine) -> None:
    for index in range(1200):
        await engine.tasks.submit(spec(f"task {index}"), "default")
    counts: list[int] = []
    census = await take(engine.storage, counts.append)
    assert census.tasks == {"queued": 1200}
    assert census.misplaced == []
    assert census.keys["t:<task>"] == 1200
    assert counts == sorted(counts)
    assert counts[-1] == sum(census.keys.values())


async def test_other_namespaces_are_not_counted(settings: Settings) -> None:
    namespace = "a*[b]?" + settings.namespace
    other = await Engine.connect(settings.model_copy(update={"namespace": namespace.replace("*", "x")}))
    strange = await Engine.connect(settings.model_copy(update={"namespace": namespace}))
    try:
        assert sum((await take(strange.storage)).keys.values()) > 0
        assert (await take(strange.storage)).keys == (await take(other.storage)).keys
        await other.tasks.create(spec("elsewhere"))
        assert (await take(strange.storage)).tasks == {}
    finally:
        await other.close()
        await strange.close()
