"""enqueue_one: a plain function into a queue that exists, in every way as enqueue_many would do it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.lua.test_enqueue_many import idle, one
from tests.support.bench import LATER, NOW, TASK, Bench
from tests.support.state import State, forget


def plain(id: str = TASK, queue: str = "default", *, args: str = "[1]", priority: str = "", app: str = "") -> Any:
    return "enqueue_one", LATER, id, queue, queue, "app.f", args, priority, app


async def test_the_same_again_and_another_task_with_that_id(bench: Bench) -> None:
    assert await bench.call(*plain()) == ["queued"]
    await bench.refuse(*plain(), answer=["queued"])
    await bench.refuse(*plain(args="[2]"), answer=["exists"])


async def outcome(bench: Bench, *call: Any, prepared: str) -> State:
    """What a call makes of a system that was prepared in this way."""
    await forget(bench.storage)
    await bench.call("init", NOW, "1", "default", "default", "services", "services")
    match prepared:
        case "idle" | "full":
            await idle(bench, room=int(prepared == "idle"))
        case "idle of an app":
            await idle(bench, lanes="fn.shop:default")
        case "paused":
            await idle(bench)
            await bench.call("queue_pause", NOW, "default", "me", "")
        case "waiting":
            await bench.call("enqueue_many", NOW, *one("first"))
    assert await bench.call(*call) == ["queued"]
    return await bench.state()


@pytest.mark.parametrize("priority", ["", "-1000", "7"])
@pytest.mark.parametrize("app", ["", "shop"])
@pytest.mark.parametrize("prepared", ["nothing", "idle", "full", "idle of an app", "paused", "waiting"])
async def test_it_does_what_the_long_way_does(bench: Bench, prepared: str, app: str, priority: str) -> None:
    short = await outcome(bench, *plain(priority=priority, app=app), prepared=prepared)
    extra = {"app": app} if app else {}
    long = await outcome(bench, "enqueue_many", LATER, *one(priority=priority, **extra), prepared=prepared)
    assert short == long


async def test_a_queue_that_does_not_exist(bench: Bench) -> None:
    await bench.refuse(*plain(queue="emails"), answer=["long"])


async def test_a_queue_that_is_called_otherwise(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "emails", "emails", "[]")
    assert await bench.call("queue_update", NOW, "emails", "mail", "") == ["updated", "emails"]
    await bench.refuse(*plain(queue="emails"), answer=["long"])


async def test_a_fair_queue(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "fair", "fair", "[]", "", "1")
    await bench.refuse(*plain(queue="fair"), answer=["long"])
