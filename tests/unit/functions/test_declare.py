"""Declaring: names, where plain functions run, what a worker is told. No server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from clearq import Clearq, current
from clearq.errors import UsageError
from clearq.functions.context import Context, enter, leave
from clearq.functions.inject import inject
from clearq.functions.middleware import around


@pytest.fixture
def app() -> Clearq:
    return Clearq("redis://localhost:1")


async def resize(path: str) -> int:
    """Make it small."""
    return len(path)


def send() -> str:
    return "sent"


async def test_a_declared_function_is_still_a_function(app: Clearq) -> None:
    task, plain = app.task(resize), app.task(send)
    assert (await task("abc"), plain()) == (3, "sent")
    assert (task.name, task.__doc__) == (f"{__name__}.resize", "Make it small.")
    assert (task.entry.is_async, task.entry.where) == (True, "loop")
    assert (plain.entry.is_async, plain.entry.where) == (False, "thread")
    assert app.task(where="process", name="other")(send).entry.where == "process"


def test_the_registry_knows_names_and_queues(app: Clearq) -> None:
    app.task(queue="mail")(send)
    app.task(name="shrink", queue="images")(resize)
    assert app.registry.queues == ["images", "mail"]
    assert app.registry.get("shrink") is not None
    assert app.registry.get("resize") is None
    assert {entry.name for entry in app.registry} == {"shrink", f"{__name__}.send"}
    assert len(app.registry) == 2
    with pytest.raises(UsageError, match="Two functions are called 'shrink'"):
        app.task(name="shrink")(send)
    app.task(name="shrink")(resize)


def test_only_functions_can_be_declared(app: Clearq) -> None:
    with pytest.raises(UsageError):
        app.task(3)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="name"):
        Clearq(name="a b")


def test_options_leave_the_declaration_alone(app: Clearq) -> None:
    task = app.task(queue="mail", retries=2)(resize)
    other = task.options(queue="fast", delay=3)
    assert (task.given.queue, other.given.queue, other.given.retries) == ("mail", "fast", 2)
    assert other.entry is task.entry
    call = other.call("a").call
    assert dict(task.options(keep_result=90.5).call("a").call.extra)["keep"] == "90500"
    assert (call.queue, call.delay, dict(call.extra)) == ("fast", 3, {})
    assert task.call("a").call.id != task.call("a").call.id


def test_lifespan_values_are_put_in(app: Clearq) -> None:
    async def fetch(url: str, client: Any = inject(), db: Any = inject("pool")) -> None: ...  # noqa: B008

    entry = app.task(fetch).entry
    assert entry.inject({}, {"client": 1, "pool": 2}) == {"client": 1, "db": 2}
    assert entry.inject({"client": 3}, {"client": 1, "pool": 2}) == {"client": 3, "db": 2}
    with pytest.raises(UsageError, match="'pool', which no lifespan yields"):
        entry.inject({}, {"client": 1})


async def test_lifespans_are_context_managers(app: Clearq) -> None:
    seen = []

    @app.lifespan
    async def pool(app: Clearq) -> AsyncIterator[dict[str, int]]:
        seen.append("up")
        yield {"pool": 1}
        seen.append("down")

    (lifespan,) = app.lifespans
    async with lifespan(app) as state:
        assert (state, seen) == ({"pool": 1}, ["up"])
    assert seen == ["up", "down"]


async def test_the_first_middleware_is_the_outermost(app: Clearq) -> None:
    seen = []

    def layer(name: str) -> Any:
        async def middleware(call: Callable[[], Awaitable[Any]], ctx: Context) -> Any:
            seen.append(f"{name} {ctx.id}")
            return f"{name}({await call()})"

        return app.middleware(middleware)

    layer("outer"), layer("inner")

    async def call() -> str:
        return "x"

    assert await around(app.middlewares, call, Context("1", "f"))() == "outer(inner(x))"
    assert seen == ["outer 1", "inner 1"]


async def test_the_context_belongs_to_its_task() -> None:
    heard = []

    async def run(id: str) -> str:
        token = enter(Context(id, "f", report=lambda fraction, text: heard.append((fraction, text))))
        await asyncio.sleep(0)
        current().progress(1.7, id)
        found = current().id
        leave(token)
        return found

    assert await asyncio.gather(run("a"), run("b")) == ["a", "b"]
    assert heard == [(1.0, "a"), (1.0, "b")]
    with pytest.raises(UsageError, match="outside a task"):
        current()


def test_a_task_can_be_asked_to_stop() -> None:
    context = Context("1", "f")
    assert not context.should_stop
    context.stopping.set()
    assert context.should_stop
    context.progress(0.5)
