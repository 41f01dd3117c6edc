"""edit: change a task's description."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import LATER, NOW, SUPERVISOR, TASK, WORKER, Bench, event
from tests.support.state import GONE


def call(rev: str = "0", fence: str = "", force: str = "") -> tuple[Any, ...]:
    return ("edit", LATER, TASK, rev, fence, force, "1", "comment", "name", "new", "needs.gpus", "2")


def edited(status: str, queue: str = "") -> dict[str, Any]:
    return {
        f"t:{TASK}": {"comment": GONE, "name": "new", "needs.gpus": "2", "rev": "1", "updated": str(LATER)},
        "changed": {TASK: LATER},
        "events": [event("task.edited", queue=queue, status=status)],
    }


async def test_a_draft(bench: Bench) -> None:
    await bench.draft(comment="old")
    await bench.check(*call(), answer=["edited", "1"], changed=edited("created"))
    await bench.refuse(*call(), answer=["moved", "1"])
    assert await bench.call(*call("1")) == ["edited", "2"]


async def test_a_waiting_one_is_looked_at_again(bench: Bench) -> None:
    await bench.worker()
    await bench.queued(comment="old")
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    rung = {"idle:q:default": GONE, f"bell:{WORKER}": ["1"]}
    await bench.check(*call(), answer=["edited", "1"], changed=edited("queued", "default") | rung)


async def test_a_running_one_by_its_own_attempt(bench: Bench) -> None:
    fence = await bench.running(comment="old")
    await bench.refuse(*call(), answer=["conflict", "in_progress"])
    await bench.refuse(*call(fence="1.other"), answer=["stale"])
    await bench.check(*call(fence=fence), answer=["edited", "1"], changed=edited("in_progress", "default"))


async def test_also_while_its_holder_is_silent(bench: Bench) -> None:
    fence = await bench.lost(comment="old")
    await bench.check(*call(fence=fence), answer=["edited", "1"], changed=edited("in_progress", "default"))


async def test_an_attempt_that_has_ended_may_not(bench: Bench) -> None:
    fence = await bench.running()
    await bench.call("finish", NOW, TASK, fence, "completed", "", "", "")
    await bench.refuse(*call(fence=fence), answer=["stale"])
    await bench.call("mark", NOW, TASK, "published", "", "", "")
    await bench.refuse(*call(fence=fence), answer=["stale"])


async def test_an_attempt_that_was_handed_back_may_not(bench: Bench) -> None:
    fence = await bench.running()
    await bench.call("release", NOW, TASK, fence, "", "")
    await bench.refuse(*call(fence=fence), answer=["stale"])


@pytest.mark.parametrize("word", ["completed", "failed", "stopped", "published"])
async def test_an_ended_one_only_by_force(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse(*call(), answer=["conflict", word])
    assert await bench.call(*call(force="1")) == ["edited", "1"]


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse(*call(), answer=["missing"])
    await bench.refuse(*call(fence="1.c"), answer=["missing"])


async def test_a_function_is_not_listed(bench: Bench) -> None:
    await bench.queued(fn="app.f", comment="old")
    expected = edited("queued", "default")
    del expected["changed"]
    await bench.check(*call(), answer=["edited", "1"], changed=expected)
    assert SUPERVISOR not in (await bench.state()).get("beats", {})
