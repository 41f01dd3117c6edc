"""The server's clock is set back by an hour: permits of rates come back within their period all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from clearq.engine import Engine
from clearq.engine.calls import Call, End
from clearq.engine.ids import new_id
from clearq.models import Lane, WorkerInfo
from clearq.models.limit import Size
from clearq.settings import Settings
from clearq.storage.connection import Storage
from tests.support.timed import TimedStorage, connect_timed

HOUR = 3600


@pytest.fixture
async def timed(settings: Settings) -> AsyncIterator[tuple[Engine, TimedStorage]]:
    engine, storage = await connect_timed(settings)
    await engine.queues.create("mail")
    for name, period in (("minute", 60), ("day", 24 * HOUR)):
        await engine.limits.set("mail", name, Size(300, period))
    yield engine, storage
    await engine.close()


async def spend(engine: Engine, limits: str, count: int) -> None:
    """So many functions run and end."""
    info = WorkerInfo(label=new_id(), host="h", lanes=(Lane(queue="mail", kind="function"),))
    holder = await engine.workers.register(info)
    await engine.functions.enqueue_many(
        [Call(new_id(), "f", b"[]", "mail", extra={"limits": limits}) for _ in range(count)]
    )
    turn = await engine.functions.turn(holder, [("mail", count)], count, [])
    assert len(turn.claims) == count
    ends = [End(each.id, each.fence, "complete") for each in turn.claims]
    await engine.functions.turn(holder, [("mail", 1)], 0, ends)


async def tick(storage: Storage) -> None:
    """As the timer does, until nothing is left to do at once."""
    while (await storage.script("tick", "", "timer"))[2] == "1":
        pass


async def taken(engine: Engine, *keys: str) -> list[int]:
    return [(await engine.limits.key("mail", key)).taken for key in keys]


async def test_permits_of_rates_come_back_a_period_later(timed: tuple[Engine, TimedStorage]) -> None:
    engine, storage = timed
    await spend(engine, "minute day", 300)
    await tick(storage)
    storage.forward(-HOUR)
    await tick(storage)
    timers = await storage.command("ZRANGE", storage.keys("timers"), 0, -1, "WITHSCORES")
    latest = {"minute": storage.now + 60_000, "day": storage.now + 24 * HOUR * 1000}
    assert {member.split(" ")[3]: int(at) for member, at in zip(timers[::2], timers[1::2], strict=True)} == latest
    storage.forward(59)
    await tick(storage)
    assert await taken(engine, "minute", "day") == [300, 300], "not sooner, either"
    storage.forward(1)
    for _ in range(3):  # a hundred at a time
        await tick(storage)
    assert await taken(engine, "minute", "day") == [0, 300]


async def test_what_comes_back_in_time_keeps_its_time(timed: tuple[Engine, TimedStorage]) -> None:
    engine, storage = timed
    await spend(engine, "day", 1)
    storage.forward(2 * HOUR)
    await tick(storage)
    [_, before] = await storage.command("ZRANGE", storage.keys("timers"), 0, -1, "WITHSCORES")
    storage.forward(-HOUR)
    await tick(storage)
    assert (await storage.command("ZRANGE", storage.keys("timers"), 0, -1, "WITHSCORES"))[1] == before
