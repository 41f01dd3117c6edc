"""stop: ask a task to end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.lua.test_enqueue_many import one
from tests.support.bench import LABEL, LATER, NOW, SUPERVISOR, TASK, WORKER, Bench, event, score, status
from tests.support.state import GONE, lifetimes

CALL = ("stop", LATER, TASK, "enough")
STOPPED = event("task.stopped", queue="default", status="stopped", reason="enough")


async def test_a_waiting_one_stops_at_once(bench: Bench) -> None:
    await bench.queued()
    await bench.call("wait", TASK, "client")
    await bench.check(
        *CALL,
        answer=["stopped"],
        changed={
            f"t:{TASK}": status("stopped", "enough") | {"ended": str(LATER)},
            "q:default": GONE,
            f"waiters:{TASK}": GONE,
            "bell:client": ["1"],
            "changed": {TASK: LATER},
            "events": [STOPPED],
        },
    )
    await bench.refuse(*CALL, answer=["stopped"])


async def test_a_function_is_kept_as_long_as_was_asked_for(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    waits, runs = "waits", "runs"
    await bench.call("enqueue_many", NOW, *one(runs, keep="120000"))
    _, _, [[_, fence, *_]], _ = await bench.call("turn", NOW, WORKER, "n", 1, 1, "fn", 0, 0, 1, "default", 1)
    await bench.call("enqueue_many", NOW, *one(waits, keep="120000"), *one("usual"))
    assert "x" not in (await bench.state())["t:waits"], "it is still a lean one"
    for id in (waits, runs, "usual"):
        await bench.call("stop", LATER, id, "enough")
    await bench.call("turn", LATER, WORKER, "n2", 0, 2, "fn", 0, 0, 0, runs, fence, "stop", "{}", "", "")
    lives = await lifetimes(bench.storage)
    assert 60_000 < lives["t:waits"] <= 120_000 and 60_000 < lives["t:runs"] <= 120_000
    assert lives["t:usual"] > 3_000_000


async def test_a_delayed_one_too(bench: Bench) -> None:
    await bench.queued(delay="60000")
    await bench.check(
        *CALL,
        answer=["stopped"],
        changed={
            f"t:{TASK}": status("stopped", "enough") | {"ended": str(LATER), "due": GONE},
            "delayed": GONE,
            "queue:default": {"delayed": "0"},
            "changed": {TASK: LATER},
            "events": [STOPPED],
        },
    )


def marked(holder: str, fence: str, place: str, stage: str) -> dict[str, Any]:
    return {
        f"t:{TASK}": {
            "stop": "enough",
            "status_message": "stopping",
            "status_reason": "enough",
            "updated": str(LATER),
            "stage": stage,
        },
        f"own:{holder}": {TASK: f"{fence} {place} stop"},
        f"bell:{holder}": ["1"],
        "changed": {TASK: LATER},
        "events": [event("task.stopping", queue="default", worker=LABEL, status="in_progress", reason="enough")],
    }


async def test_a_running_one_is_marked_and_its_holder_rung(bench: Bench) -> None:
    fence = await bench.running()
    await bench.check(*CALL, answer=["stopping"], changed=marked(SUPERVISOR, fence, str(score()), "stopping"))
    beat = await bench.call("beat", LATER, SUPERVISOR, "", "", TASK, fence)
    assert beat == ["ok", "0", "0", "1", TASK]


async def test_a_claimed_one_stays_claimed(bench: Bench) -> None:
    fence = await bench.claimed()
    await bench.check(*CALL, answer=["stopping"], changed=marked(WORKER, fence, str(score()), "claimed"))


async def test_a_function(bench: Bench) -> None:
    fence = await bench.function()
    expected = marked(WORKER, fence, str(score()), "claimed")
    del expected["changed"]
    await bench.check(*CALL, answer=["stopping"], changed=expected)


async def test_asked_again_it_rings_again_and_nothing_else_changes(bench: Bench) -> None:
    await bench.running()
    await bench.call(*CALL)
    await bench.check(*CALL, answer=["stopping"], changed={f"bell:{SUPERVISOR}": ["1", "1"]})


async def test_a_lost_one_is_marked_for_whoever_finds_it(bench: Bench) -> None:
    await bench.lost()
    fields = {"stop": "enough", "status_message": "stopping", "updated": str(LATER)}
    await bench.check(*CALL, answer=["stopping"], changed={f"t:{TASK}": fields})
    await bench.refuse(*CALL, answer=["stopping"])


@pytest.mark.parametrize("word", ["created", "completed", "failed", "published"])
async def test_other_statuses_are_refused(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse(*CALL, answer=["conflict", word])


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse(*CALL, answer=["missing"])
