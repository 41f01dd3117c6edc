"""Fair queues as users of functions and of the engine see them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from clearq import Clearq
from clearq.cli.queue_fair import weight
from clearq.errors import PayloadError, QueueNotEmpty, QueueNotFound, UsageError
from clearq.models import Lane, WorkerInfo
from clearq.settings import Settings
from clearq.testing import simulate


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Clearq]:
    async with Clearq(settings=settings) as app:
        yield app


async def claimed(app: Clearq, queue: str, count: int) -> list[bytes]:
    """The arguments of the next ones."""
    engine = await app.engine()
    holder = await engine.workers.register(WorkerInfo(label="h:0", lanes=(Lane(queue=queue, kind="function"),)))
    return [given.args for given in (await engine.functions.turn(holder, [(queue, count)], count)).claims]


async def test_the_key_is_made_of_arguments(app: Clearq) -> None:
    @app.task(queue="renders", fair="{tenant}")
    async def render(tenant: str, frame: int) -> None:
        pass

    await app.enqueue_many(render.call("big", frame) for frame in range(50))
    await render.enqueue("small", 1)
    await render.options(fair="vip").enqueue("small", 2)
    queue = await (engine := await app.engine()).queues.get("renders")
    assert queue.fair
    assert [(each.key, each.waiting) for each in await engine.fair.keys("renders")] == [
        ("big", 50),
        ("small", 1),
        ("vip", 1),
    ]
    assert await claimed(app, "renders", 4) == [b'["big",0]', b'["small",1]', b'["small",2]', b'["big",1]']


async def test_a_queue_that_is_not_fair_takes_no_key(app: Clearq) -> None:
    @app.task(fair="{tenant}")
    async def render(tenant: str) -> None:
        pass

    with pytest.raises(UsageError, match=r"clearq queue fair 'default' --on"):
        await render.enqueue("a")
    with pytest.raises(UsageError, match="is not fair"):
        await app.enqueue_many([render.call("a")])
    engine = await app.engine()
    await engine.fair.set("default", True, weights={"gold": 3})
    await render.enqueue("a")
    with pytest.raises(QueueNotEmpty, match="before it becomes ordinary"):
        await engine.fair.set("default", False)
    assert [(each.key, each.weight) for each in await engine.fair.keys("default")] == [("a", 1), ("gold", 3)]
    with pytest.raises(UsageError, match="from 1 to 1000"):
        await engine.fair.set("default", weights={"gold": 0})
    with pytest.raises(UsageError, match="queue fair 'services' --on"):
        await engine.fair.set("services", weights={"gold": 2})
    with pytest.raises(QueueNotFound):
        await engine.fair.set("nowhere", True)
    with pytest.raises(UsageError, match="fair=True"):
        await engine.queues.create("other", weights={"gold": 3})


async def test_keys_that_do_not_fit_the_function(app: Clearq) -> None:
    async def render(tenant: str) -> None:
        pass

    with pytest.raises(UsageError, match="no argument 'customer'; its arguments are: tenant"):
        app.task(fair="{customer}")(render)
    task = app.task(queue="renders", fair="{tenant}")(render)
    with pytest.raises(PayloadError, match="201 characters"):
        await task.enqueue("x" * 201)


async def test_users_tests_see_turns_too() -> None:
    app = Clearq("redis://nowhere.invalid:1")
    order: list[str] = []

    @app.task(queue="renders", fair="{tenant}", retries=1, retry_delay=0)
    async def render(tenant: str) -> None:
        order.append(tenant)
        if len(order) == 1:
            raise RuntimeError

    async with simulate(app) as sim:
        await app.enqueue_many(render.call("a") for _ in range(3))
        await render.enqueue("b")
        await sim.run_until_idle()
    assert sorted(order) == ["a", "a", "a", "a", "b"] and order[1] == "b"


def test_weights_are_read_from_the_command_line() -> None:
    assert weight("a=b=3") == ("a=b", 3)
    assert weight("=2") == ("", 2)
