"""release: an attempt handed back unharmed; same place, nothing counted."""

from __future__ import annotations

from typing import Any

from clearq.models.task import NOT_COUNTED
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
    score,
    status,
)
from tests.support.state import GONE

WAITS = status("queued", "agent ends", NOT_COUNTED) | {"stage": GONE, "holder": GONE, "releases": "1"}
SAID = event("task.released", queue="default", worker=LABEL, status="queued", reason="agent ends")


def call(fence: str, pause: str = "") -> tuple[Any, ...]:
    return ("release", LATER, TASK, fence, "agent ends", pause)


async def test_it_waits_at_its_old_place_before_later_ones(bench: Bench) -> None:
    fence = await bench.claimed(gpus=("gpu-1",))
    await bench.queued("later")
    await bench.call("snapshot", LATER, WORKER, 1, "default")
    await bench.check(
        *call(fence),
        answer=["queued"],
        changed={
            f"t:{TASK}": WAITS | {"gpus_held": GONE},
            "q:default": {TASK: score(1)},
            f"own:{WORKER}": GONE,
            f"gpus:{HOST}": GONE,
            "idle:q:default": GONE,
            f"idle:host:{HOST}": GONE,
            f"bell:{WORKER}": ["1", "1"],
            "queue:default": {"running": "0"},
            "changed": {TASK: LATER},
            "events": [SAID],
        },
    )
    await bench.refuse(*call(fence), answer=["queued"])
    assert await bench.call("position", TASK) == ["waiting", "default", "0"]


async def test_with_a_pause_it_is_delayed_and_keeps_its_place(bench: Bench) -> None:
    fence = await bench.running()
    await bench.check(
        *call(fence, "2500"),
        answer=["queued"],
        changed=LET_GO
        | {
            f"t:{TASK}": WAITS | {"due": str(LATER + 2500), "score": str(score())},
            "delayed": {TASK: LATER + 2500},
            "queue:default": {"running": "0", "delayed": "1"},
            "events": [SAID],
        },
    )
    await bench.refuse(*call(fence, "2500"), answer=["queued"])


async def test_what_was_asked_to_stop_is_stopped(bench: Bench) -> None:
    fence = await bench.running()
    await bench.call("stop", LATER, TASK, "enough")
    await bench.check(
        *call(fence),
        answer=["stopped"],
        changed=LET_GO
        | {
            f"bell:{SUPERVISOR}": GONE,
            f"t:{TASK}": ended("stopped", "enough", "agent ends"),
            "events": [event("task.stopped", queue="default", worker=LABEL, status="stopped", reason="enough")],
        },
    )
    await bench.refuse(*call(fence), answer=["stopped"])


async def test_a_run_by_hand_has_no_queue_to_go_back_to(bench: Bench) -> None:
    fence = await bench.manual()
    await bench.check(
        *call(fence),
        answer=["failed"],
        changed={
            f"t:{TASK}": ended("failed", "agent ends", "handed back, but it belongs to no queue"),
            f"own:{SUPERVISOR}": GONE,
            "beats": GONE,
            "changed": {TASK: LATER},
            "events": [event("task.failed", worker=LABEL, status="failed", reason="agent ends")],
        },
    )


async def test_the_next_claim_gets_another_fence_and_the_old_one_is_stale(bench: Bench) -> None:
    fence = await bench.claimed()
    await bench.call(*call(fence))
    answer = await bench.call("claim_task", LATER, WORKER, "c2", TASK, "0", "default", "1", HOST, "boot")
    assert answer[:2] == ["claimed", "2.c2"]
    await bench.refuse(*call(fence), answer=["stale"])
    await bench.refuse(*call("2.other"), answer=["stale"])
