"""Functions from enqueue to result on a real server; the test takes the worker's turns."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from clearq import Clearq, as_completed, gather
from clearq.engine.calls import Call, End, Given
from clearq.engine.ids import new_id
from clearq.errors import (
    ConflictError,
    FunctionFailed,
    PayloadError,
    StatusConflict,
    TaskNotFound,
    UsageError,
    WaitTimeout,
)
from clearq.functions import references
from clearq.functions.handle import Handle
from clearq.functions.serialize import error_payload
from clearq.models import Lane, WorkerInfo
from clearq.settings import Settings
from tests.support.valkey import ValkeyProcess


class Hand:
    """A worker whose turns are the test's."""

    def __init__(self, app: Clearq, holder: str) -> None:
        self.app, self.holder = app, holder

    async def take(self, count: int = 100, queue: str = "default", kinds: str = "fn") -> list[Given]:
        engine = await self.app.engine()
        return (await engine.functions.turn(self.holder, [(queue, count)], count, kinds=kinds)).claims

    async def end(self, *ends: End) -> None:
        engine = await self.app.engine()
        assert not (await engine.functions.turn(self.holder, [], 0, ends)).stale

    async def work(self, count: int = 100, queue: str = "default") -> list[Given]:
        """Take, run and complete."""
        client = await self.app.client()
        given, ends = await self.take(count, queue), []
        for one in given:
            entry = self.app.registry.get(one.fn)
            assert entry is not None
            args, kwargs = entry.decode(one.args)
            args, kwargs = await references.resolve(client.functions, client.payloads, args, kwargs, codec=entry.codec)
            value = entry.function(*args, **kwargs)
            value = await value if entry.is_async else value
            ends.append(End(one.id, one.fence, "complete", entry.encode_result(value)))
        await self.end(*ends)
        return given


@dataclass
class Size:
    width: int
    height: int


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Clearq]:
    async with Clearq(settings=settings) as app:
        yield app


@pytest.fixture
async def hand(app: Clearq) -> Hand:
    engine = await app.engine()
    holder = await engine.workers.register(WorkerInfo(label="h:0", lanes=(Lane(queue="default", kind="function"),)))
    return Hand(app, holder)


@pytest.fixture
def double(app: Clearq) -> Any:
    @app.task
    async def double(number: int) -> int:
        return 2 * number

    return double


async def until(answer: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not answer():
            await asyncio.sleep(0)


async def test_a_result_comes_back_as_annotated(app: Clearq, hand: Hand) -> None:
    @app.task
    def grow(size: Size, by: int = 2) -> Size:
        return Size(size.width * by, size.height * by)

    handle = await grow.enqueue(Size(1, 2), by=3)
    assert await handle.status() == "queued"
    await hand.work()
    assert await handle.result(10) == Size(3, 6)
    assert await app.handle(str(handle), grow).result(10) == Size(3, 6)
    assert await app.handle(str(handle)).result(10) == {"width": 3, "height": 6}
    assert await handle.status() == "completed"
    assert grow(Size(1, 1)) == Size(2, 2)


async def test_waiting_begins_before_the_end(hand: Hand, double: Any) -> None:
    handle = await double.enqueue(4)
    waiting = [asyncio.create_task(handle.result(10)) for _ in range(3)]
    engine = await hand.app.engine()
    client = await hand.app.client()
    async with asyncio.timeout(10):
        while not await engine.storage.command("SCARD", engine.storage.keys("waiters", handle.id)):
            await asyncio.sleep(0.01)
    await hand.work()
    assert await asyncio.gather(*waiting) == [8, 8, 8]
    assert not client.waits._waiting


async def test_a_wait_that_times_out_leaves_nothing_behind(app: Clearq, hand: Hand, double: Any) -> None:
    handle = await double.enqueue(4)
    with pytest.raises(WaitTimeout, match=f"has not ended within 0.05 s: .* queued, and `clearq task why {handle.id}`"):
        await handle.result(timeout=0.05)
    given = await hand.take()
    with pytest.raises(WaitTimeout, match="it is in progress"):
        await handle.result(timeout=0)
    await hand.end(*(End(one.id, one.fence, "complete", b"8") for one in given))
    assert await app.handle(handle.id).result(timeout=0) == 8, "it had ended in time"


async def test_a_wait_that_times_out_says_so_when_the_server_is_away(server: ValkeyProcess, settings: Settings) -> None:
    async with Clearq(server.url, settings=settings) as app:

        @app.task
        async def job() -> int:
            return 7

        handle = await job.enqueue()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with pytest.raises(WaitTimeout, match=r"has not ended within 0.01 s\.$"):
                async with asyncio.timeout(30):
                    await handle.result(0.01)
        finally:
            os.kill(server.pid, signal.SIGCONT)


async def test_a_completed_call_does_not_run_again(app: Clearq, hand: Hand, double: Any) -> None:
    handle = await double.enqueue(4)
    await hand.work()
    engine = await app.engine()
    for again in (
        handle.requeue(),
        engine.tasks.reset(handle.id),
        engine.tasks.reset(handle.id, force=True),
        engine.tasks.enqueue(handle.id, "default", force=True),
    ):
        with pytest.raises(StatusConflict, match="Enqueue a new call; this one's result stays"):
            await again
    assert await app.handle(handle.id).result(10) == 8
    other = await double.enqueue(5)
    await other.stop()
    await engine.tasks.reset(other.id)
    await engine.tasks.enqueue(other.id, "default")
    await hand.work()
    assert await other.result(10) == 10


async def test_a_failure_tells_what_was_raised(hand: Hand, double: Any) -> None:
    handle = await double.enqueue(4)
    (given,) = await hand.take()
    payload = error_payload("ValueError", "too large", "Traceback: ...")
    await hand.end(End(given.id, given.fence, "fail", payload, "ValueError: too large"))
    with pytest.raises(FunctionFailed, match="ValueError: too large") as caught:
        await handle.result(10)
    error = caught.value
    assert (error.type, error.cause, error.traceback) == ("ValueError", "too large", "Traceback: ...")


async def test_what_failed_for_good_can_be_run_again(app: Clearq, hand: Hand, double: Any) -> None:
    first, second = await double.enqueue(4), await double.enqueue(5)
    await hand.end(
        *(End(given.id, given.fence, "fail", error_payload("E", "m"), "E: m") for given in await hand.take())
    )
    with pytest.raises(FunctionFailed):
        await first.result(10)
    listed = await app.set_aside()
    assert {entry.id for entry in listed} == {first.id, second.id}
    assert {(entry.fn, entry.queue, entry.reason) for entry in listed} == {(double.name, "default", "E: m")}
    assert len(await app.set_aside(limit=1)) == 1
    await first.requeue()
    engine = await app.engine()
    assert await engine.storage.command("PTTL", engine.storage.keys("t", first.id)) == -1
    with pytest.raises(StatusConflict):
        await first.requeue()
    await hand.work()
    assert await first.result(10) == 8
    assert [entry.id for entry in await app.set_aside()] == [second.id]


async def test_waiting_goes_on_over_a_restart_of_the_server(server: ValkeyProcess, settings: Settings) -> None:
    async with Clearq(server.url, settings=settings) as app:

        @app.task
        async def job() -> int:
            return 7

        engine = await app.engine()
        handle = await job.enqueue()
        waiting = asyncio.create_task(handle.result(60))
        async with asyncio.timeout(10):
            while not await engine.storage.command("SCARD", engine.storage.keys("waiters", handle.id)):
                await asyncio.sleep(0.01)
        server.kill()
        server.start()
        holder = await engine.workers.register(WorkerInfo(label="h:1"))
        await Hand(app, holder).work()
        assert await waiting == 7
        assert await (await job.enqueue()).status() == "queued"


async def test_a_stopped_task_says_so(hand: Hand, double: Any) -> None:
    handle = await double.enqueue(4)
    waiting = asyncio.create_task(handle.result(10))
    assert await handle.stop("not needed") == "stopped"
    with pytest.raises(FunctionFailed, match="was stopped: not needed") as caught:
        await waiting
    assert caught.value.status == "stopped"


async def test_an_unknown_id_is_an_error(app: Clearq) -> None:
    with pytest.raises(TaskNotFound, match="expired"):
        await app.handle("0" * 32).result(10)
    with pytest.raises(TaskNotFound):
        await app.handle("0" * 32).status()


async def test_many_at_once_keep_their_order(app: Clearq, hand: Hand, double: Any) -> None:
    handles = await app.enqueue_many(double.call(number) for number in range(1200))
    assert [given.id for given in await hand.work(700)] == [handle.id for handle in handles[:700]]
    await hand.work(700)
    assert await gather(*handles, timeout=20) == [2 * number for number in range(1200)]


async def test_as_completed_follows_the_ends(hand: Hand, double: Any) -> None:
    handles = [await double.enqueue(number) for number in range(3)]
    ends = {given.id: End(given.id, given.fence, "complete", b"1") for given in await hand.take()}
    seen: list[str] = []

    async def follow() -> None:
        async for handle in as_completed(handles, timeout=10):
            seen.append(handle.id)
            assert await handle.result() == 1

    following = asyncio.create_task(follow())
    for count, handle in enumerate(reversed(handles), start=1):
        await hand.end(ends[handle.id])
        async with asyncio.timeout(10):
            while len(seen) < count:
                await asyncio.sleep(0.01)
    await following
    assert seen == [handle.id for handle in reversed(handles)]


async def test_as_completed_gives_up(double: Any) -> None:
    with pytest.raises(WaitTimeout):
        async for _ in as_completed([await double.enqueue(1)], timeout=0.05):
            raise AssertionError


async def test_map_keeps_order_and_bound(app: Clearq, hand: Hand, double: Any) -> None:
    most = 0
    stop = asyncio.Event()

    async def serve() -> None:
        nonlocal most
        while not stop.is_set():
            most = max(most, len(await hand.work(3)))
            await asyncio.sleep(0.001)

    serving = asyncio.create_task(serve())
    engine = await app.engine()
    results = []
    async for result in double.map(range(40), concurrent=5):
        queue = await engine.queues.get("default")
        assert queue.waiting + queue.running <= 5
        results.append(result)
    assert results == [2 * number for number in range(40)]
    seen = {handle.id async for handle in app.fan_out((double.call(number) for number in range(20)), concurrent=4)}
    assert len(seen) == 20
    stop.set()
    await serving
    assert most


async def test_results_are_handed_on(app: Clearq, hand: Hand, double: Any) -> None:
    @app.task
    def add(sizes: Size, number: int, *, more: int = 0) -> int:
        return sizes.width + number + more

    @app.task
    def square(side: int) -> Size:
        return Size(side, side)

    first, second = await square.enqueue(3), await double.enqueue(5)
    total = await add.enqueue(first.as_argument(), second.as_argument(), more=second.as_argument())
    assert [given.fn for given in await hand.work()] == [square.name, double.name]
    assert [given.fn for given in await hand.work()] == [add.name]
    assert await total.result(10) == 23
    later = double.options(after=[total, second], after_rule="run")
    assert await (await later.enqueue(1)).status() == "queued"


async def test_unique_keys(hand: Hand, double: Any) -> None:
    once = double.options(unique="double:{number}")
    first, again, other = await once.enqueue(1), await once.enqueue(number=1), await once.enqueue(2)
    assert (again.id, again.duplicate, first.duplicate) == (first.id, True, False)
    assert other.id != first.id
    await hand.work()
    assert await again.result(10) == 2
    assert not (await once.enqueue(1)).duplicate
    same = double.options(unique=True)
    assert (await same.enqueue(7)).id == (await same.enqueue(number=7)).id
    with pytest.raises(PayloadError, match="no argument"):
        await double.options(unique="{nothing}").enqueue(1)


async def test_options_reach_the_worker(app: Clearq, hand: Hand) -> None:
    @app.task(timeout=5, retries=1)
    async def careful() -> None: ...

    await careful.enqueue()
    await careful.options(timeout=9, retries=4, losses=7, priority=3).enqueue()
    changed, plain = await hand.take()
    entry = app.registry.get(careful.name)
    assert entry is not None
    assert plain.options == b""
    assert entry.options.merged(plain.options) is entry.options
    merged = entry.options.merged(changed.options)
    assert (merged.timeout, merged.retries) == (9, 4)
    engine = await app.engine()
    assert await engine.storage.command("HGET", engine.storage.keys("t", changed.id), "limits.losses") == "7"


async def test_delay_and_due_time(app: Clearq, hand: Hand, double: Any) -> None:
    engine = await app.engine()
    await double.options(delay=60).enqueue(1)
    await double.options(at=await engine.now() + 60).enqueue(1)
    await double.options(at=await engine.now() - 60).enqueue(9)
    assert [given.args for given in await hand.take()] == [b"[9]"]
    assert await engine.storage.command("ZCARD", engine.storage.keys("delayed")) == 2


async def test_a_named_app_has_a_lane_of_its_own(settings: Settings, app: Clearq, hand: Hand) -> None:
    async with Clearq(settings=settings, name="shop") as shop:

        @shop.task
        async def sell() -> None: ...

        await sell.enqueue()
    assert await hand.take() == []
    assert len(await hand.take(kinds="fn.shop")) == 1


async def test_wrong_arguments_are_refused_at_once(double: Any) -> None:
    with pytest.raises(PayloadError, match="missing a required argument: 'number'"):
        await double.enqueue()
    with pytest.raises(PayloadError, match="object"):
        await double.enqueue(object())


async def test_an_id_that_another_task_has(app: Clearq, double: Any) -> None:
    with pytest.raises(ConflictError):
        double.handle_of("x", "exists")


async def test_code_without_a_loop(settings: Settings, hand: Hand, double: Any) -> None:
    app = Clearq(settings=settings)

    @app.task(name=double.name)
    def twin(number: int) -> int:
        return number

    found: list[Any] = []

    def blocking() -> None:
        handle = twin.enqueue_sync(21)
        many = app.enqueue_many_sync([twin.call(1)])
        found.extend([handle.status_sync(), handle.result_sync(10), many[0].result_sync(10)])
        app.close_sync()

    thread = threading.Thread(target=blocking)
    thread.start()
    while thread.is_alive():
        await hand.work()
        await asyncio.sleep(0.01)
    assert found[1:] == [42, 2]
    with pytest.raises(UsageError, match="without _sync"):
        double.enqueue_sync(1)


async def test_a_lost_bell_costs_one_sweep(hand: Hand, double: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearq.functions.waits.SWEEP", 0.1)
    handle = await double.enqueue(4)
    waiting = asyncio.create_task(handle.result(10))
    engine = await hand.app.engine()
    key = engine.storage.keys("waiters", handle.id)
    async with asyncio.timeout(10):
        while not await engine.storage.command("DEL", key):
            await asyncio.sleep(0.01)
    await hand.work()
    assert await waiting == 8


async def test_one_bell_listener_for_all_handles(app: Clearq, hand: Hand, double: Any) -> None:
    handles: list[Handle[int]] = await app.enqueue_many(double.call(number) for number in range(50))
    waiting = asyncio.create_task(gather(*handles))
    client = await app.client()
    await until(lambda: len(client.waits._waiting) == 50)
    await hand.work()
    assert len([task for task in asyncio.all_tasks() if task.get_name() == "clearq:waits"]) == 1
    assert await waiting == [2 * number for number in range(50)]


async def test_pickle_by_name_only(settings: Settings, hand: Hand) -> None:
    from pydantic import SecretStr

    signed = Clearq(settings=settings.model_copy(update={"signing_key": SecretStr("s")}))

    @signed.task(serializer="pickle", name="keep")
    def keep(value: complex) -> complex:
        return value

    handle = await keep.enqueue(1j)
    (given,) = await hand.take()
    entry = signed.registry.get("keep")
    assert entry is not None
    assert entry.decode(given.args, b"s") == ((1j,), {})
    await hand.end(End(given.id, given.fence, "complete", entry.encode_result(1j, b"s")))
    assert await handle.result(10) == 1j
    assert await signed.handle(handle.id).result(10) == 1j
    await signed.close()
    unsigned = Clearq(settings=settings)
    with pytest.raises(PayloadError, match="CLEARQ_SIGNING_KEY"):
        await unsigned.handle(handle.id).result(10)
    await unsigned.close()


async def test_one_app_in_several_loops(app: Clearq, hand: Hand, double: Any) -> None:
    async def other() -> str:
        async with app:
            return str(await double.enqueue(6))

    first = await double.enqueue(5)
    ids = [await asyncio.to_thread(asyncio.run, other()) for _ in range(2)]
    await hand.work()
    assert await first.result(10) == 10
    assert [await app.handle(id).result(10) for id in ids] == [12, 12]


async def test_calls_of_one_moment_travel_together(app: Clearq, double: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await app.engine()
    sent: list[str] = []
    hot, hot_now = engine.storage.hot, engine.storage.hot_now

    async def counted(name: str, *arguments: Any, **options: Any) -> Any:
        sent.append(name)
        return await hot(name, *arguments, **options)

    def counted_now(then: Any, name: str, *arguments: Any) -> bool:
        sent.append(name)
        return hot_now(then, name, *arguments)

    await engine.functions.enqueue_many([Call(new_id(), "double", b"[0]")])  # the server knows the script
    monkeypatch.setattr(engine.storage, "hot", counted)
    monkeypatch.setattr(engine.storage, "hot_now", counted_now)
    handles = await asyncio.gather(*(double.enqueue(number) for number in range(100)))
    # The first leaves at once, for nothing was under way; the others did not wait for its answer.
    assert (len(handles), sent) == (100, ["enqueue_one", "enqueue_many"])


async def test_one_bad_neighbour_fails_alone(double: Any) -> None:
    after_nothing = double.options(after=["0" * 32])
    good, bad = await asyncio.gather(double.enqueue(1), after_nothing.enqueue(1), return_exceptions=True)
    assert isinstance(good, Handle)
    assert isinstance(bad, TaskNotFound)
