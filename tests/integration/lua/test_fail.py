"""fail: another attempt after a pause while retries last, else the task fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import (
    HOST,
    LABEL,
    LATER,
    LET_GO,
    SUPERVISOR,
    TASK,
    WORKER,
    Bench,
    ended,
    event,
    lean,
    score,
    status,
)
from tests.support.state import GONE


def call(fence: str, *, reason: str = "exit code 1", chance: str = "0", final: str = "") -> tuple[Any, ...]:
    return ("fail", LATER, TASK, fence, reason, "more", "1", chance, final)


def failed(reason: str = "exit code 1") -> dict[str, Any]:
    return event("task.failed", queue="default", worker=LABEL, status="failed", reason=reason)


async def test_without_retries_the_task_fails_and_is_set_aside(bench: Bench) -> None:
    fence = await bench.running()
    await bench.check(
        *call(fence),
        answer=["failed"],
        changed=LET_GO
        | {
            f"t:{TASK}": ended("failed", "exit code 1", "more", exit_code="1", failures="1"),
            "dead": {TASK: LATER},
            "events": [failed()],
        },
    )
    await bench.refuse(*call(fence), answer=["failed"])


async def test_a_retry_waits_and_keeps_its_place(bench: Bench) -> None:
    fence = await bench.running(limits__retries="1")
    again = status("queued", "exit code 1", "more") | {
        **dict.fromkeys(("stage", "holder"), GONE),
        "failures": "1",
        "exit_code": "1",
        "due": str(LATER + 1000),
        "score": str(score()),
    }
    await bench.check(
        *call(fence),
        answer=["queued"],
        changed=LET_GO
        | {
            f"t:{TASK}": again,
            "delayed": {TASK: LATER + 1000},
            "queue:default": {"running": "0", "delayed": "1"},
            "events": [event("task.retried", queue="default", worker=LABEL, status="queued", reason="exit code 1")],
        },
    )
    await bench.refuse(*call(fence), answer=["queued"])


@pytest.mark.parametrize(
    ("failures", "delay", "most", "chance", "pause"),
    [
        ("0", "1.0", "600.0", "0", 1_000),
        ("1", "1.0", "600.0", "0", 2_000),
        ("4", "1.0", "600.0", "0", 16_000),
        ("4", "1.0", "600.0", "0.5", 16_800),
        ("4", "1.0", "10.0", "0", 10_000),
        ("4", "1.0", "10.0", "1", 11_000),
        ("5000", "1.0", "600.0", "0", 600_000),
        ("0", "0.25", "600.0", "0", 250),
    ],
)
async def test_the_pause_doubles_up_to_its_bound(
    bench: Bench, failures: str, delay: str, most: str, chance: str, pause: int
) -> None:
    fence = await bench.running(
        limits__retries="9999", limits__retry_delay=delay, limits__retry_delay_max=most, failures=failures
    )
    await bench.command("HSET", f"t:{TASK}", "failures", failures)
    assert await bench.call(*call(fence, chance=chance)) == ["queued"]
    assert (await bench.state())["delayed"] == {TASK: LATER + pause}


async def test_a_retry_without_pause_is_back_in_its_lane_and_rings(bench: Bench) -> None:
    fence = await bench.function(limits__retries="1", limits__retry_delay="0.0")
    await bench.call("claim_many", LATER, WORKER, "c2", 2, 2, "fn", "default", 2)
    again = status("queued", "exit code 1", "more") | {"failures": "1", "exit_code": "1", "stage": GONE, "holder": GONE}
    again |= {"ready": str(LATER), "x": "1"}
    await bench.check(
        *call(fence),
        answer=["queued"],
        changed={
            f"t:{TASK}": again,
            "fn:default": {TASK: score()},
            "idle:fn:default": GONE,
            f"bell:{WORKER}": ["1"],
            f"own:{WORKER}": GONE,
            "queue:default": {"running": "0"},
            "events": [event("task.retried", queue="default", worker=LABEL, status="queued", reason="exit code 1")],
        },
    )


async def test_a_failure_that_nothing_can_mend_is_final(bench: Bench) -> None:
    fence = await bench.running(limits__retries="5")
    await bench.check(
        *call(fence, final="1"),
        answer=["failed"],
        changed=LET_GO
        | {
            f"t:{TASK}": ended("failed", "exit code 1", "more", exit_code="1", failures="1"),
            "dead": {TASK: LATER},
            "events": [failed()],
        },
    )


async def test_a_task_that_was_asked_to_stop_is_not_tried_again(bench: Bench) -> None:
    fence = await bench.running(limits__retries="5")
    await bench.call("stop", LATER, TASK, "enough")
    await bench.check(
        *call(fence),
        answer=["stopped"],
        changed=LET_GO
        | {
            f"bell:{SUPERVISOR}": GONE,
            f"t:{TASK}": ended("stopped", "enough", "exit code 1; more", exit_code="1", failures="1"),
            "events": [event("task.stopped", queue="default", worker=LABEL, status="stopped", reason="enough")],
        },
    )


async def test_no_queue_no_retry(bench: Bench) -> None:
    await bench.worker()
    await bench.draft(limits__retries="5")
    fence = (await bench.call("claim_task", LATER, WORKER, "c", TASK, "", "", "", HOST, "boot"))[1]
    reason = "exit code 1; no retry: its queue is deleted"
    await bench.check(
        *call(fence),
        answer=["failed"],
        changed={
            f"t:{TASK}": ended("failed", reason, "more", exit_code="1", failures="1"),
            f"own:{WORKER}": GONE,
            "changed": {TASK: LATER},
            "events": [event("task.failed", worker=LABEL, status="failed", reason=reason)],
        },
    )


async def test_a_function_without_retries_says_why(bench: Bench) -> None:
    fence = await bench.function()
    await bench.check(
        *call(fence),
        answer=["failed"],
        changed={
            f"t:{TASK}": lean(ended("failed"))
            | {"status_reason": "exit code 1", "status_message": "more", "exit_code": "1", "failures": "1"},
            f"own:{WORKER}": GONE,
            "queue:default": {"running": "0"},
            "dead": {TASK: LATER},
            "events": [failed()],
        },
    )


async def test_stale_fences_are_refused(bench: Bench) -> None:
    await bench.running()
    for other in ("", "1.other", "2.c-task"):
        await bench.refuse(*call(other), answer=["stale"])


async def test_the_oldest_that_were_set_aside_give_way(bench: Bench) -> None:
    fence = await bench.running()
    members = [word for i in range(10_000) for word in (i, f"old-{i}")]
    await bench.command("ZADD", "dead", *members)
    await bench.call(*call(fence))
    dead = (await bench.state())["dead"]
    assert len(dead) == 10_000
    assert TASK in dead and "old-0" not in dead and "old-1" in dead


async def test_a_function_says_its_error_and_its_pause(bench: Bench) -> None:
    fence = await bench.running(limits__retries="1")
    await bench.call(*call(fence), "the error", "7000")
    state = await bench.state()
    assert (state[f"t:{TASK}"]["error"], state["delayed"]) == ("the error", {TASK: LATER + 7000})
