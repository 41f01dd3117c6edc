"""lose: proof that an attempt's supervisor is dead; the task runs again within its own budget."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import LABEL, LATER, LET_GO, NOW, SUPERVISOR, TASK, Bench, ended, event, score, status
from tests.support.state import GONE

AGAIN = "lost with its worker, runs again"
PROOF = "supervisor exited with signal 9"


def call(fence: str) -> tuple[Any, ...]:
    return ("lose", LATER, TASK, fence, PROOF)


REQUEUED: dict[str, Any] = {
    f"t:{TASK}": status("queued", AGAIN, PROOF) | {"stage": GONE, "holder": GONE, "losses": "1", "score": GONE},
    "q:default": {TASK: score()},
    "events": [event("task.reclaimed", queue="default", worker=LABEL, status="queued", reason=AGAIN)],
}


async def test_it_waits_again_at_its_place(bench: Bench) -> None:
    fence = await bench.running()
    await bench.check(*call(fence), answer=["queued"], changed=LET_GO | REQUEUED)
    await bench.refuse(*call(fence), answer=["queued"])


async def test_a_lost_one_too(bench: Bench) -> None:
    fence = await bench.lost()
    await bench.check(*call(fence), answer=["queued"], changed=LET_GO | REQUEUED | {"lost": GONE})


async def test_also_when_the_holder_is_marked_dead_and_not_yet_taken_back(bench: Bench) -> None:
    fence = await bench.running()
    await bench.command("HDEL", "beats", SUPERVISOR)
    await bench.check(*call(fence), answer=["queued"], changed=LET_GO | REQUEUED)


@pytest.mark.parametrize(
    ("before", "budget", "answer"),
    [("1", "3", "queued"), ("2", "3", "queued"), ("3", "3", "failed"), ("0", "0", "failed")],
)
async def test_the_budget(bench: Bench, before: str, budget: str, answer: str) -> None:
    fence = await bench.running(limits__losses=budget)
    await bench.command("HSET", f"t:{TASK}", "losses", before)
    assert await bench.call(*call(fence)) == [answer]


async def test_out_of_budget_it_fails_and_is_set_aside(bench: Bench) -> None:
    fence = await bench.running(limits__losses="0")
    await bench.check(
        *call(fence),
        answer=["failed"],
        changed=LET_GO
        | {
            f"t:{TASK}": ended("failed", "lost with its worker", PROOF, losses="1"),
            "dead": {TASK: LATER},
            "events": [
                event("task.failed", queue="default", worker=LABEL, status="failed", reason="lost with its worker")
            ],
        },
    )
    await bench.refuse(*call(fence), answer=["failed"])


@pytest.mark.parametrize("lost_first", [False, True])
async def test_what_was_asked_to_stop_does_not_run_again(bench: Bench, lost_first: bool) -> None:
    fence = await (bench.lost() if lost_first else bench.running())
    await bench.call("stop", NOW, TASK, "enough")
    said = "stopped; its worker was lost before it could say so"
    await bench.check(
        *call(fence),
        answer=["stopped"],
        changed=LET_GO
        | {
            f"bell:{SUPERVISOR}": GONE,
            "lost": GONE,
            f"t:{TASK}": ended("stopped", "enough", f"{said}; {PROOF}", losses="1"),
            "events": [event("task.stopped", queue="default", worker=LABEL, status="stopped", reason="enough")],
        },
    )


async def test_a_run_by_hand_is_stopped(bench: Bench) -> None:
    fence = await bench.manual()
    await bench.check(
        *call(fence),
        answer=["stopped"],
        changed={
            f"t:{TASK}": ended("stopped", "its process is gone", PROOF, losses="1"),
            f"own:{SUPERVISOR}": GONE,
            "beats": GONE,
            "changed": {TASK: LATER},
            "events": [event("task.stopped", worker=LABEL, status="stopped", reason="its process is gone")],
        },
    )


async def test_stale_fences_are_refused(bench: Bench) -> None:
    fence = await bench.running()
    for other in ("", "1.other", "2.c-task"):
        await bench.refuse(*call(other), answer=["stale"])
    await bench.call("release", NOW, TASK, fence, "", "")
    await bench.claimed(TASK)
    await bench.refuse(*call(fence), answer=["stale"])
    await bench.refuse("lose", LATER, "nobody", fence, PROOF, answer=["stale"])
