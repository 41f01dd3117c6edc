"""finish: the attempt ends and the task with it."""

from __future__ import annotations

import pytest

from tests.support.bench import HOST, LABEL, LATER, LET_GO, NOW, TASK, WORKER, Bench, ended, event, lean
from tests.support.state import GONE

DONE = event("task.completed", queue="default", worker=LABEL, status="completed")


@pytest.mark.parametrize("word", ["completed", "failed", "stopped"])
async def test_a_running_attempt_ends(bench: Bench, word: str) -> None:
    fence = await bench.running()
    call = ("finish", LATER, TASK, fence, word, "why", "more", "3")
    said = event(f"task.{word}", queue="default", worker=LABEL, status=word, reason="why")
    await bench.check(
        *call,
        answer=[word],
        changed=LET_GO | {f"t:{TASK}": ended(word, "why", "more", exit_code="3"), "events": [said]},
    )
    await bench.refuse(*call, answer=[word])


async def test_a_repeat_with_another_outcome_answers_the_first_one(bench: Bench) -> None:
    fence = await bench.ended("completed")
    await bench.refuse("finish", LATER, TASK, fence, "failed", "", "", "", answer=["completed"])


async def test_stale_fences_are_refused(bench: Bench) -> None:
    fence = await bench.running()
    for other in ("", "1.other", "2.c-task"):
        await bench.refuse("finish", LATER, TASK, other, "completed", "", "", "", answer=["stale"])
    await bench.refuse("finish", LATER, "nobody", fence, "completed", "", "", "", answer=["stale"])


async def test_a_function_whose_worker_was_declared_dead_is_refused(bench: Bench) -> None:
    fence = await bench.function()
    await bench.call("reclaim", NOW, WORKER, "", "silent")
    await bench.call("register", NOW, "w2", "label-w2", "fn:default")
    await bench.call("claim_many", NOW, "w2", "c2", 1, 1, "fn", "default", 1)
    await bench.refuse("finish", LATER, TASK, fence, "completed", "", "", "", answer=["stale"])


async def test_a_function_worker_stays_after_its_task(bench: Bench) -> None:
    fence = await bench.function()
    await bench.check(
        *("finish", LATER, TASK, fence, "completed", "", "", ""),
        answer=["completed"],
        changed={
            f"t:{TASK}": lean(ended("completed")),
            f"own:{WORKER}": GONE,
            "queue:default": {"running": "0"},
            "events": [DONE],
        },
    )


async def test_cards_drain_after_a_run_and_the_agent_is_rung(bench: Bench) -> None:
    fence = await bench.running(gpus=("gpu-1", "gpu-2"))
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    await bench.check(
        *("finish", LATER, TASK, fence, "completed", "", "", "0"),
        answer=["completed"],
        changed=LET_GO
        | {
            f"t:{TASK}": ended("completed", exit_code="0"),
            f"gpus:{HOST}": dict.fromkeys(("gpu-1", "gpu-2"), f"draining {TASK} {fence}"),
            f"idle:host:{HOST}": GONE,
            f"bell:{WORKER}": ["1"],
            "events": [DONE],
        },
    )


async def test_cards_of_a_claim_that_never_started_are_free_at_once(bench: Bench) -> None:
    fence = await bench.claimed(gpus=("gpu-1",))
    await bench.check(
        *("finish", LATER, TASK, fence, "completed", "", "", ""),
        answer=["completed"],
        changed={
            f"t:{TASK}": ended("completed"),
            f"gpus:{HOST}": GONE,
            f"own:{WORKER}": GONE,
            "queue:default": {"running": "0"},
            "changed": {TASK: LATER},
            "events": [DONE],
        },
    )


async def test_waiting_clients_are_rung(bench: Bench) -> None:
    fence = await bench.running()
    for client in ("c1", "c2"):
        await bench.call("wait", TASK, client)
    bells = {f"waiters:{TASK}": GONE, "bell:c1": ["1"], "bell:c2": ["1"]}
    await bench.check(
        *("finish", LATER, TASK, fence, "completed", "", "", ""),
        answer=["completed"],
        changed=LET_GO | bells | {f"t:{TASK}": ended("completed"), "events": [DONE]},
    )


async def test_a_lost_attempt_that_is_back_in_time_may_end(bench: Bench) -> None:
    fence = await bench.lost()
    await bench.check(
        *("finish", LATER, TASK, fence, "completed", "", "", ""),
        answer=["completed"],
        changed=LET_GO | {f"t:{TASK}": ended("completed"), "lost": GONE, "events": [DONE]},
    )


async def test_a_run_by_hand_ends(bench: Bench) -> None:
    fence = await bench.manual()
    await bench.check(
        *("finish", LATER, TASK, fence, "completed", "", "", "0"),
        answer=["completed"],
        changed={
            f"t:{TASK}": ended("completed", exit_code="0"),
            "own:s": GONE,
            "beats": GONE,
            "changed": {TASK: LATER},
            "events": [event("task.completed", worker=LABEL, status="completed")],
        },
    )


@pytest.mark.parametrize(("word", "field"), [("completed", "result"), ("stopped", "error"), ("failed", "error")])
async def test_what_a_function_gave_is_kept(bench: Bench, word: str, field: str) -> None:
    fence = await bench.running()
    await bench.call("finish", LATER, TASK, fence, word, "", "", "", "42")
    task = (await bench.state())[f"t:{TASK}"]
    assert {name: task.get(name) for name in ("result", "error")} == {"result": None, "error": None} | {field: "42"}
