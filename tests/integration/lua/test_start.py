"""start: the supervisor takes an attempt over; user code runs only after it."""

from __future__ import annotations

from tests.support.bench import LABEL, LATER, NOW, SUPERVISOR, TASK, WORKER, Bench, as_dict, event, score
from tests.support.state import GONE


async def test_the_attempt_moves_to_the_supervisor(bench: Bench) -> None:
    fence = await bench.claimed()
    call = ("start", LATER, TASK, fence, SUPERVISOR)
    after = await bench.check(
        *call,
        answer=...,
        changed={
            f"t:{TASK}": {"holder": SUPERVISOR, "stage": "preparing", "updated": str(LATER)},
            f"own:{WORKER}": GONE,
            f"own:{SUPERVISOR}": {TASK: f"{fence} {score()}"},
            "beats": {SUPERVISOR: "1"},
            "changed": {TASK: LATER},
            "events": [event("task.started", queue="default", worker=LABEL, status="in_progress")],
        },
    )
    await bench.refuse(*call, answer=...)
    word, task = await bench.call(*call)
    assert word == "started"
    assert as_dict(task) == after[f"t:{TASK}"]


async def test_a_stop_that_came_before_goes_along(bench: Bench) -> None:
    fence = await bench.claimed()
    await bench.call("stop", NOW, TASK, "enough")
    await bench.check(
        *("start", LATER, TASK, fence, SUPERVISOR),
        answer=...,
        changed={
            f"t:{TASK}": {"holder": SUPERVISOR, "stage": "stopping", "updated": str(LATER)},
            f"own:{WORKER}": GONE,
            f"own:{SUPERVISOR}": {TASK: f"{fence} {score()} stop"},
            "beats": {SUPERVISOR: "1"},
            "changed": {TASK: LATER},
            "events": [event("task.started", queue="default", worker=LABEL, status="in_progress")],
        },
    )
    answer = await bench.call("beat", LATER, SUPERVISOR, "", "", TASK, fence)
    assert answer == ["ok", "0", "0", "1", TASK]


async def test_a_second_supervisor_is_refused(bench: Bench) -> None:
    fence = await bench.running()
    await bench.refuse("start", LATER, TASK, fence, "other", answer=["stale"])


async def test_stale_fences_are_refused(bench: Bench) -> None:
    fence = await bench.claimed()
    for other in ("", "1.other", "2.c-task"):
        await bench.refuse("start", LATER, TASK, other, SUPERVISOR, answer=["stale"])
    await bench.refuse("start", LATER, "nobody", fence, SUPERVISOR, answer=["stale"])


async def test_refused_after_the_end_after_a_release_and_when_the_agent_is_dead(bench: Bench) -> None:
    fence = await bench.claimed()
    await bench.call("release", NOW, TASK, fence, "", "")
    await bench.refuse("start", LATER, TASK, fence, SUPERVISOR, answer=["stale"])
    ended = await bench.ended(id="other")
    await bench.refuse("start", LATER, "other", ended, SUPERVISOR, answer=["stale"])
    third = await bench.claimed("third")
    await bench.call("reclaim", NOW, WORKER, "", "silent")
    await bench.refuse("start", LATER, "third", third, SUPERVISOR, answer=["stale"])
