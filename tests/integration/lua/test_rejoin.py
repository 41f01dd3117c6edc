"""rejoin: a holder that was declared dead is back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import LABEL, LATER, NOW, SUPERVISOR, TASK, WORKER, Bench, event, score, status
from tests.support.state import GONE


def back(stage: str = "running", mark: str = "", message: str = "") -> dict[str, Any]:
    fence = f"1.c-{TASK}"
    return {
        f"t:{TASK}": status("in_progress", "", message) | {"stage": stage, "holder": SUPERVISOR, "score": GONE},
        "lost": GONE,
        "beats": {SUPERVISOR: "1"},
        f"own:{SUPERVISOR}": {TASK: f"{fence} {score()}{mark}"},
        "changed": {TASK: LATER},
        "events": [event("task.rejoined", queue="default", worker=LABEL, status="in_progress")],
    }


async def test_in_time_the_attempt_goes_on(bench: Bench) -> None:
    fence = await bench.lost()
    call = ("rejoin", LATER, TASK, fence, SUPERVISOR)
    await bench.check(*call, answer=["ok"], changed=back())
    await bench.refuse(*call, answer=["ok"])


async def test_a_stop_that_came_meanwhile_is_told(bench: Bench) -> None:
    fence = await bench.lost()
    await bench.call("stop", NOW, TASK, "enough")
    await bench.check(*("rejoin", LATER, TASK, fence, SUPERVISOR), answer=["ok"], changed=back("stopping", " stop"))
    assert await bench.call("beat", LATER, SUPERVISOR, "", "", TASK, fence) == ["ok", "0", "0", "1", TASK]


async def test_one_that_never_was_lost_is_told_to_go_on(bench: Bench) -> None:
    fence = await bench.running()
    await bench.refuse("rejoin", LATER, TASK, fence, SUPERVISOR, answer=["ok"])
    await bench.refuse("rejoin", LATER, TASK, fence, "another", answer=["stale"])


async def test_too_late_it_is_stale(bench: Bench) -> None:
    fence = await bench.lost()
    await bench.call("lose", NOW, TASK, fence, "proof")
    await bench.refuse("rejoin", LATER, TASK, fence, SUPERVISOR, answer=["stale"])
    await bench.claimed(TASK)
    await bench.refuse("rejoin", LATER, TASK, fence, SUPERVISOR, answer=["stale"])


async def test_a_function_of_a_dead_worker_is_stale(bench: Bench) -> None:
    fence = await bench.function()
    await bench.call("reclaim", NOW, WORKER, "", "silent")
    await bench.refuse("rejoin", LATER, TASK, fence, WORKER, answer=["stale"])


@pytest.mark.parametrize("fence", ["", "1.other", "2.c-task"])
async def test_stale_fences_are_refused(bench: Bench, fence: str) -> None:
    await bench.lost()
    await bench.refuse("rejoin", LATER, TASK, fence, SUPERVISOR, answer=["stale"])


async def test_no_such_task_is_stale(bench: Bench) -> None:
    await bench.refuse("rejoin", LATER, "nobody", "1.x", SUPERVISOR, answer=["stale"])
