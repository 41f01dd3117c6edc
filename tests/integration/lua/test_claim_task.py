"""claim_task: an agent takes the very task it decided for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import (
    BOOT,
    HOST,
    LABEL,
    LATER,
    NOW,
    SUPERVISOR,
    TASK,
    WORKER,
    Bench,
    as_dict,
    event,
    score,
    status,
)
from tests.support.state import GONE


def call(
    *gpus: str, nonce: str = "n", rev: str = "0", queue: str = "default", queue_rev: str = "1", id: str = TASK
) -> tuple[Any, ...]:
    return ("claim_task", LATER, WORKER, nonce, id, rev, queue, queue_rev, HOST, BOOT, *gpus)


def claimed(fence: str = "1.n", **fields: Any) -> dict[str, Any]:
    return status("in_progress") | {
        "claims": fence.partition(".")[0],
        "fence": fence,
        "holder": WORKER,
        "worker": LABEL,
        "stage": "claimed",
        "started": str(LATER),
        "host_id": HOST,
        "boot_id": BOOT,
        **fields,
    }


SAID = event("task.claimed", queue="default", worker=LABEL, status="in_progress")


async def test_it_takes_task_and_cards(bench: Bench) -> None:
    await bench.worker()
    await bench.queued()
    await bench.queued("other")
    after = await bench.check(
        *call("g1", "g2"),
        answer=...,
        changed={
            f"t:{TASK}": claimed(gpus_held="g1 g2"),
            "q:default": {TASK: GONE},
            f"own:{WORKER}": {TASK: f"1.n {score()}"},
            f"gpus:{HOST}": dict.fromkeys(("g1", "g2"), f"{TASK} 1.n"),
            "queue:default": {"running": "1"},
            "changed": {TASK: LATER},
            "events": [SAID],
        },
    )
    await bench.refuse(*call("g1", "g2"), answer=...)
    word, fence, task = await bench.call(*call("g1", "g2"))
    assert (word, fence, as_dict(task)) == ("claimed", "1.n", after[f"t:{TASK}"])


async def test_a_new_attempt_forgets_the_outcome_of_the_last(bench: Bench) -> None:
    fence = await bench.running(limits__retries="1", limits__retry_delay="0.0")
    await bench.call("log", TASK, fence, 3, 100, NOW, "stdout", "x")
    await bench.call("report", NOW, TASK, fence, 4, 100, "loss", "1", "0.5", "")
    await bench.command("HSET", f"t:{TASK}", "progress", "50")
    await bench.call("fail", NOW, TASK, fence, "exit code 1", "more", "1", "0", "")
    await bench.check(
        *call(),
        answer=...,
        changed={
            f"t:{TASK}": claimed("2.n") | dict.fromkeys(("exit_code", "log.seq", "metrics.seq", "progress"), GONE),
            "q:default": GONE,
            f"own:{WORKER}": {TASK: f"2.n {score()}"},
            "queue:default": {"running": "1"},
            "changed": {TASK: LATER},
            "events": [SAID],
        },
    )


@pytest.mark.parametrize("word", ["created", "in_progress", "completed"])
async def test_gone_when_it_waits_no_more(bench: Bench, word: str) -> None:
    await bench.worker("w")
    await bench.in_status(word)
    await bench.refuse(*call(), answer=["gone"])


async def test_gone_when_it_waits_elsewhere_or_later_or_is_deleted(bench: Bench) -> None:
    await bench.worker()
    await bench.queued(delay="60000")
    await bench.refuse(*call(), answer=["gone"])
    await bench.refuse(*call(queue="services"), answer=["gone"])
    await bench.refuse(*call(id="nobody"), answer=["gone"])


async def test_stale_when_task_or_queue_have_changed(bench: Bench) -> None:
    await bench.worker()
    await bench.queued()
    await bench.refuse(*call(rev="1"), answer=["stale"])
    await bench.refuse(*call(queue_rev="2"), answer=["stale"])
    await bench.call("edit", NOW, TASK, "0", "", "", "0", "needs.gpus", "8")
    await bench.refuse(*call(), answer=["stale"])
    assert (await bench.call(*call(rev="1")))[0] == "claimed"


async def test_a_paused_queue_gives_nothing(bench: Bench) -> None:
    await bench.worker()
    await bench.queued()
    await bench.call("queue_pause", NOW, "default", "me", "")
    for queue_rev in ("1", "2"):
        await bench.refuse(*call(queue_rev=queue_rev), answer=["paused"])


async def test_a_card_that_is_held_or_drains_is_refused_by_name(bench: Bench) -> None:
    fence = await bench.running("other", gpus=("g2",))
    await bench.queued()
    await bench.refuse(*call("g1", "g2"), answer=["gpu_held", "g2"])
    await bench.call("finish", NOW, "other", fence, "completed", "", "", "")
    await bench.refuse(*call("g1", "g2"), answer=["gpu_held", "g2"])
    await bench.call("free_gpus", HOST, "other", fence)
    assert (await bench.call(*call("g1", "g2")))[0] == "claimed"


async def test_a_worker_that_was_declared_dead_is_refused(bench: Bench) -> None:
    await bench.worker()
    await bench.queued()
    await bench.call("reclaim", NOW, WORKER, "1", "silent")
    await bench.refuse(*call(), answer=["dead"])


async def test_another_nonce_is_no_repeat(bench: Bench) -> None:
    await bench.worker()
    await bench.queued()
    await bench.call(*call())
    await bench.refuse(*call(nonce="other"), answer=["gone"])


async def test_a_repeat_after_the_start_is_no_claim(bench: Bench) -> None:
    await bench.worker()
    await bench.queued()
    await bench.call(*call())
    await bench.call("start", NOW, TASK, "1.n", SUPERVISOR)
    await bench.refuse(*call(), answer=["gone"])


DRAFT = {"rev": "", "queue": "", "queue_rev": ""}


async def test_a_draft_needs_no_queue(bench: Bench) -> None:
    await bench.worker()
    await bench.draft()
    await bench.check(
        *call("g1", **DRAFT),
        answer=...,
        changed={
            f"t:{TASK}": claimed(gpus_held="g1"),
            f"own:{WORKER}": {TASK: "1.n -"},
            f"gpus:{HOST}": {"g1": f"{TASK} 1.n"},
            "changed": {TASK: LATER},
            "events": [event("task.claimed", worker=LABEL, status="in_progress")],
        },
    )
    await bench.refuse(*call("g1", **DRAFT), answer=...)


async def test_an_ended_run_by_hand_taken_as_a_draft_is_no_longer_by_hand(bench: Bench) -> None:
    fence = await bench.manual()
    await bench.call("finish", NOW, TASK, fence, "stopped", "", "", "")
    await bench.worker()
    assert (await bench.call(*call(**DRAFT)))[:2] == ["claimed", "2.n"]
    assert "manual" not in (await bench.state())[f"t:{TASK}"]
    assert await bench.call("mark", LATER, TASK, "completed", "", "", "") == ["held", LABEL]


async def test_a_failed_one_taken_as_a_draft_has_new_counts(bench: Bench) -> None:
    fence = await bench.running()
    await bench.call("fail", NOW, TASK, fence, "exit code 1", "", "1", "0", "")
    await bench.call(*call(**DRAFT))
    state = await bench.state()
    assert "dead" not in state and "failures" not in state[f"t:{TASK}"]


@pytest.mark.parametrize("word", ["queued", "in_progress", "published", "closed"])
async def test_what_is_no_draft_is_gone(bench: Bench, word: str) -> None:
    await bench.worker()
    await bench.in_status(word)
    await bench.refuse(*call(**DRAFT), answer=["gone"])


@pytest.mark.parametrize(("mode", "held"), [("start", False), ("done", True)])
async def test_a_key_that_is_held_until_the_start_is_free_now(bench: Bench, mode: str, held: bool) -> None:
    await bench.worker()
    fields = ("name", "f", "unique", "key", "unique.mode", mode)
    await bench.call("enqueue", NOW, TASK, "default", "", "", "", "r", "n", "default", "key", "", *fields)
    answer = await bench.call(*call())
    assert answer[0] == "claimed"
    assert ("unique:key" in await bench.state()) is held
