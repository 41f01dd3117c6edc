"""stage: what a running attempt is doing now."""

from __future__ import annotations

from tests.support.bench import LABEL, LATER, NOW, SUPERVISOR, TASK, WORKER, Bench, event


async def test_it_is_written_once(bench: Bench) -> None:
    fence = await bench.claimed()
    await bench.call("start", NOW, TASK, fence, SUPERVISOR)
    call = ("stage", LATER, TASK, fence, "running")
    await bench.check(
        *call,
        answer=["ok"],
        changed={
            f"t:{TASK}": {"stage": "running", "updated": str(LATER)},
            "changed": {TASK: LATER},
            "events": [event("task.running", queue="default", worker=LABEL, status="in_progress")],
        },
    )
    await bench.refuse(*call, answer=["ok"])


async def test_stopping_stays(bench: Bench) -> None:
    fence = await bench.running()
    await bench.call("stop", NOW, TASK, "enough")
    await bench.refuse("stage", LATER, TASK, fence, "running", answer=["ok"])
    assert (await bench.state())[f"t:{TASK}"]["stage"] == "stopping"


async def test_a_function_leaves_the_list_of_changes_alone(bench: Bench) -> None:
    fence = await bench.function()
    await bench.check(
        *("stage", LATER, TASK, fence, "running"),
        answer=["ok"],
        changed={
            f"t:{TASK}": {"stage": "running", "updated": str(LATER)},
            "events": [event("task.running", queue="default", worker=LABEL, status="in_progress")],
        },
    )


async def test_stale_fences_are_refused(bench: Bench) -> None:
    fence = await bench.running()
    for other in ("", "1.other", "2.c-task"):
        await bench.refuse("stage", LATER, TASK, other, "running", answer=["stale"])
    await bench.refuse("stage", LATER, "nobody", fence, "running", answer=["stale"])
    await bench.call("reclaim", NOW, SUPERVISOR, "", "silent")
    await bench.refuse("stage", LATER, TASK, fence, "running", answer=["stale"])
    ended = await bench.ended(id="other")
    await bench.refuse("stage", LATER, "other", ended, "running", answer=["stale"])
    assert WORKER in (await bench.state())["beats"]
