"""``clearq.testing``: users' tests without a server, under the same Lua."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from clearq import Clearq, Retry, Snooze, current, gather, inject, limit
from clearq.errors import FunctionFailed, TaskNotFound, UsageError, WaitTimeout
from clearq.testing import START, ManualClock, Simulation, simulate


@pytest.fixture
def app() -> Clearq:
    return Clearq("redis://nowhere.invalid:1")


@pytest.fixture
async def sim(app: Clearq) -> AsyncIterator[Simulation]:
    async with simulate(app) as sim:
        yield sim


async def test_enqueue_run_result(app: Clearq, sim: Simulation) -> None:
    @app.task
    async def resize(path: str) -> int:
        return len(path)

    @app.task(where="process")
    def twice(number: int) -> int:
        return 2 * number

    handle = await resize.enqueue("a.png")
    with pytest.raises(WaitTimeout):
        await handle.result(0.01)
    ran = await sim.run_until_idle()
    assert await handle.result() == 5
    handles = await app.enqueue_many(twice.call(number) for number in range(150))
    await sim.run_until_idle()
    assert await gather(*handles) == [2 * number for number in range(150)]
    assert ran.calls == {resize.name: 1, twice.name: 150}
    assert ran.outcomes == {"complete": 151}


async def test_functions_may_enqueue_and_wait(app: Clearq, sim: Simulation) -> None:
    @app.task
    async def inner() -> str:
        return current().id

    @app.task
    async def outer() -> str:
        return await (await inner.enqueue()).result(10)

    handle = await outer.enqueue()
    await sim.run_until_idle()
    assert len(await handle.result()) == 32


@dataclass
class Size:
    width: int


async def test_a_result_handed_on_arrives_as_annotated(app: Clearq, sim: Simulation) -> None:
    @app.task
    async def measure(width: int) -> Size:
        return Size(width)

    @app.task
    async def double(size: Size) -> int:
        return 2 * size.width

    measured = await measure.enqueue(4)
    handle = await double.enqueue(measured.as_argument())
    await sim.run_until_idle()
    assert await handle.result() == 8


async def test_progress_is_told(app: Clearq, sim: Simulation) -> None:
    @app.task
    async def slow() -> float:
        current().progress(0.4, "epoch 3")
        for _ in range(1000):
            if await handle.progress():
                break
            await asyncio.sleep(0.01)
        return await handle.progress()

    handle = await slow.enqueue()
    assert await handle.progress() == 0
    await sim.run_until_idle()
    assert await handle.result() == 0.4


async def test_time_passes_when_it_is_told_to(app: Clearq, sim: Simulation) -> None:
    @app.task
    async def later() -> float:
        return sim.clock.now

    handle = await later.options(delay=60).enqueue()
    await sim.run_until_idle()
    assert await handle.status() == "queued"
    sim.clock.advance(59)
    await sim.run_until_idle()
    assert await handle.status() == "queued"
    sim.clock.advance(1)
    await sim.run_until_idle()
    assert await handle.result() == START + 60


async def test_retries_with_their_pauses(app: Clearq, sim: Simulation) -> None:
    at: list[float] = []

    @app.task(retries=3, retry_delay=10, retry_jitter=0)
    async def flaky() -> str:
        at.append(sim.clock.now - START)
        if current().attempt == 2:
            raise Retry(delay=1)
        if current().attempt < 4:
            raise ValueError("not yet")
        return "done"

    handle = await flaky.enqueue()
    ran = await sim.run_all()
    assert await handle.result() == "done"
    assert at == [0, 10, 11, 51]
    assert ran.outcomes == {"retry": 3, "complete": 1}


async def test_out_of_retries(app: Clearq, sim: Simulation) -> None:
    @app.task(retries=1)
    def broken() -> None:
        raise ValueError("always")

    handle = await broken.enqueue()
    await sim.run_all()
    with pytest.raises(FunctionFailed, match="ValueError: always") as caught:
        await handle.result()
    assert caught.value.type == "ValueError"
    assert "in broken" in caught.value.traceback


async def test_a_snooze_counts_as_nothing(app: Clearq, sim: Simulation) -> None:
    @app.task
    async def patient() -> int:
        if sim.clock.now < START + 100:
            raise Snooze(30)
        return current().failures

    handle = await patient.enqueue()
    await sim.run_all()
    assert (await handle.result(), sim.clock.now) == (0, START + 120)


async def test_run_all_stops_at_until(app: Clearq, sim: Simulation) -> None:
    @app.task
    async def forever() -> None:
        await forever.options(delay=10).enqueue()

    await forever.enqueue()
    ran = await sim.run_all(until=35)
    assert (ran.calls[forever.name], sim.clock.now) == (4, START + 35)


async def test_a_crash_before_and_after(app: Clearq, sim: Simulation) -> None:
    ran: list[int] = []

    @app.task
    async def count() -> int:
        ran.append(current().losses)
        return len(ran)

    sim.crash(count, when="before")
    first = await count.enqueue()
    await sim.run_all()
    assert (await first.result(), ran) == (1, [1])
    sim.crash(count, when="after", times=2)
    second = await count.enqueue()
    await sim.run_all()
    assert (await second.result(), ran) == (4, [1, 0, 1, 2])
    assert sim.ran.outcomes["crash"] == 3


async def test_a_crash_takes_its_neighbours_along(app: Clearq, sim: Simulation) -> None:
    cancelled = []

    @app.task
    async def slow() -> int:
        try:
            await asyncio.sleep(0 if current().losses else 60)
        except asyncio.CancelledError:
            cancelled.append(current().id)
            raise
        return current().losses

    @app.task
    async def deadly() -> None: ...

    neighbour = await slow.enqueue()
    await deadly.enqueue()
    sim.crash(deadly, when="after")
    await sim.run_all()
    assert (await neighbour.result(), cancelled) == (1, [neighbour.id])


async def test_lost_too_often(app: Clearq, sim: Simulation) -> None:
    @app.task(losses=1)
    async def killer() -> None: ...

    sim.crash(killer, times=9)
    handle = await killer.enqueue()
    await sim.run_all()
    with pytest.raises(FunctionFailed, match="lost"):
        await handle.result()


async def test_lifespan_and_injection(app: Clearq) -> None:
    seen = []

    @app.lifespan
    async def pool(app: Clearq) -> AsyncIterator[dict[str, Any]]:
        yield {"pool": [1, 2]}
        seen.append("closed")

    @app.task
    async def size(pool: list[int] = inject()) -> int:  # noqa: B008
        return len(pool)

    clock = ManualClock(now=5e8)
    async with simulate(app, clock=clock) as sim:
        handle = await size.enqueue()
        await sim.run_until_idle()
        assert (await handle.result(), seen) == (2, [])
        assert await sim.engine.now() == 5e8
        with pytest.raises(UsageError, match="connected already"):
            async with simulate(app):
                raise AssertionError
    assert seen == ["closed"]
    with pytest.raises(UsageError, match="does not go back"):
        clock.advance(-1)


async def test_an_unknown_function_says_so(app: Clearq, sim: Simulation) -> None:
    from clearq.engine.calls import Call
    from clearq.models.ids import new_id

    id = new_id()
    await sim.engine.functions.enqueue(Call(id, "gone", b"[]"))
    await sim.run_until_idle()
    with pytest.raises(FunctionFailed, match="unknown function"):
        await app.handle(id).result()


async def test_each_simulation_starts_empty(app: Clearq) -> None:
    @app.task
    async def job() -> None: ...

    for _ in range(2):
        async with simulate(app) as sim:
            assert [queue.waiting for queue in await sim.engine.queues.list()] == [0, 0]
            await job.enqueue()


async def test_slots_run_once_each_as_time_passes(app: Clearq) -> None:
    clock = ManualClock()
    ran: list[tuple[str, float]] = []

    @app.cron("*/10 * * * *", missed="skip", name="often")
    @app.task
    async def often() -> None:
        ran.append(("often", clock.now - START))

    @app.cron("15 * * * *")
    @app.task(unique="hourly")
    async def hourly() -> None:
        ran.append(("hourly", clock.now - START))

    async with simulate(app, clock=clock) as sim:
        await sim.run_until_idle()
        assert ran == []
        sim.clock.advance(599)
        await sim.run_until_idle()
        assert ran == []
        sim.clock.advance(1)
        for _ in range(2):
            await sim.run_until_idle()
        assert ran == [("often", 600)]
        sim.clock.advance(1000)
        await sim.run_until_idle()
        assert ran[1:] == [("hourly", 1600), ("often", 1600)], "all that passed, the earliest first"
        del ran[:]
        await sim.run_all()
        assert (ran, sim.clock.now) == ([], START + 1600), "rules never end, so they alone move no clock"
        await sim.run_all(until=2000)
        assert ran == [("often", 1800), ("often", 2400), ("often", 3000), ("often", 3600)]
        assert sim.clock.now == START + 3600


async def test_a_crash_in_the_middle(app: Clearq, sim: Simulation) -> None:
    steps: list[str] = []

    @app.task
    async def work() -> int:
        steps.append("begun")
        await asyncio.sleep(0 if current().losses else 60)
        steps.append("done")
        return current().losses

    @app.task
    async def dying() -> int:
        steps.append("first")
        if current().losses == 0:
            await sim.die()
        steps.append("second")
        return current().losses

    sim.crash(work, when="during")
    one = await work.enqueue()
    await sim.run_until_idle()
    assert (await one.result(), steps) == (1, ["begun", "begun", "done"])
    del steps[:]
    two = await dying.enqueue()
    ran = await sim.run_until_idle()
    assert (await two.result(), steps) == (1, ["first", "first", "second"])
    assert ran.outcomes["crash"] == 2


async def test_timeouts_without_waiting_for_them(app: Clearq, sim: Simulation) -> None:
    @app.task(timeout=3600, retries=1, retry_delay=5)
    async def slow() -> int:
        await asyncio.sleep(0 if current().failures else 60)
        return current().failures

    sim.time_out(slow)
    handle = await slow.enqueue()
    ran = await sim.run_all()
    assert (await handle.result(), ran.outcomes) == (1, {"retry": 1, "complete": 1})

    @app.task(timeout=3600)
    async def waits() -> None:
        sim.clock.advance(3599)
        await asyncio.sleep(0)
        sim.clock.advance(1)
        await asyncio.sleep(60)

    handle = await waits.enqueue()  # type: ignore[assignment]
    await sim.run_until_idle()
    with pytest.raises(FunctionFailed, match="timed out after 3600 s"):
        await handle.result()
    with pytest.raises(UsageError, match="has no timeout"):
        sim.time_out(app.task(len_of))


async def len_of(text: str) -> int:
    return len(text)


async def test_lifetimes_go_by_the_clock(app: Clearq, sim: Simulation) -> None:
    @app.task(unique="report", unique_mode="time", unique_for=3600, keep_result=60)
    async def report() -> str:
        return "written"

    first = await report.enqueue()
    await sim.run_until_idle()
    assert await first.result() == "written"
    sim.clock.advance(59)
    assert await app.handle(first.id, report).result() == "written"
    sim.clock.advance(2)
    with pytest.raises(TaskNotFound):
        await app.handle(first.id, report).result()
    assert (await report.enqueue()).id == first.id, "its key is held for an hour"
    sim.clock.advance(3600)
    assert (await report.enqueue()).id != first.id


async def test_limits(app: Clearq, sim: Simulation) -> None:
    at: list[float] = []

    @app.task(limits=[limit("mail:{to}", rate="2/m")])
    async def send(to: str) -> None:
        at.append(sim.clock.now - START)

    await app.enqueue_many(send.call("ada") for _ in range(5))
    await sim.run_all()
    assert at == [0, 0, 60, 60, 120]
