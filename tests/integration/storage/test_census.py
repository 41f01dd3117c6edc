"""Counting and finding misplaced tasks; `places.lua`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from clearq.engine import Engine
from clearq.engine.calls import Call, End
from clearq.engine.ids import new_id
from clearq.models import Lane, WorkerInfo
from clearq.models.limit import Size
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
    assert (census.misplaced, census.permits) == ([], [])
    assert census.tasks == {
        "created": 1,
        "queued": 12,
        "in_progress": 7,
        "completed": 1,
        "failed": 1,
        "stopped": 2,
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


@pytest.mark.parametrize(
    ("command", "key", "fault"),
    [
        (
            ("HINCRBY", "permits:mail", "customer:42", "1"),
            "customer:42",
            "3 permits are taken, but 2 are accounted for",
        ),
        (("HDEL", "permits:mail", "customer:42"), "customer:42", "0 permits are taken, but 2"),
        (("HSET", "permits:mail", "nobody", "1"), "nobody", "1 permits are taken, but 0"),
        (("HINCRBY", "queue:mail", "limit:customer", "1"), "customer:42", "1 tasks are held, but 1 permits are free"),
        (("HDEL", "queue:mail", "limit:customer"), "customer:42", "1 tasks are held, but it has no size"),
        (("HINCRBY", "queue:mail", "limit:customer", "-1"), "customer:42", "2 of 1 permits are taken, and 1 of their"),
        (("DEL", "timers"), "mails", "2 permits are taken, but 1"),
    ],
)
async def test_wrong_permits_are_found(live: LiveSystem, command: tuple[str, ...], key: str, fault: str) -> None:
    verb, name, *rest = command
    storage = live.engine.storage
    await storage.command(verb, storage.keys(name), *rest)
    census = await take(storage)
    (found,) = census.permits
    assert found[0] == f"{key} of queue mail"
    assert fault in found[1]
    await storage.command("SADD", storage.keys("todo"), f"limit mail {key}")
    later = (await take(storage)).permits
    wrong_count = "accounted for" in found[1]
    assert later == ([found] if wrong_count else []), "unfinished work puts the others right"


async def test_no_false_alarm_while_permits_come_and_go(engine: Engine) -> None:
    """Four workers, keys with one and with two permits, a rate, tasks with several keys."""
    queue = await engine.queues.create("busy")
    for name, size in (("one", Size(1)), ("two", Size(2)), ("rate", Size(20, 0.05))):
        await engine.limits.set(queue.id, name, size)
    keys = ["one:1 two:1", "two:1", "one:2", "rate", "one:1", "two:2 rate"]
    done, worked = asyncio.Event(), 0

    async def work(number: int) -> None:
        nonlocal worked
        info = WorkerInfo(label=f"w{number}", host="h", lanes=(Lane(queue=queue.id, kind="function"),))
        holder, ends = await engine.workers.register(info), list[End]()
        while not done.is_set():
            calls = [Call(new_id(), "f", b"[]", queue.id, extra={"limits": each}) for each in keys]
            await engine.functions.enqueue_many(calls)
            turn = await engine.functions.turn(holder, [(queue.id, 10)], 10, ends)
            ends = [End(given.id, given.fence, "complete") for given in turn.claims]
            worked += len(ends)

    workers = [asyncio.create_task(work(number)) for number in range(4)]
    for _ in range(5):
        assert (await take(engine.storage)).permits == []
    done.set()
    await asyncio.gather(*workers)
    assert worked > 20


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
