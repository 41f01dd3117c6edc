"""tick: due tasks, lost deadlines, unfinished work."""

from __future__ import annotations

import pytest

from tests.support.bench import LABEL, LATER, LET_GO, NAME, NOW, TASK, Bench, ended, event, flat, score, status
from tests.support.state import GONE

CALL = ("tick", LATER, "timer")
PARKED = {"idle:timer": {"timer": LATER}, "meta": {"ticked": str(LATER)}}


async def test_nothing_to_do(bench: Bench) -> None:
    await bench.check(*CALL, answer=[str(LATER), "", "0"], changed=PARKED)


async def test_what_is_due_takes_its_place_now(bench: Bench) -> None:
    await bench.queued("later", delay="5001")
    await bench.queued(delay="5000")
    await bench.queued("sooner", delay="1000")
    await bench.queued("waits")
    await bench.check(
        *CALL,
        answer=[str(LATER), str(NOW + 5001), "0"],
        changed=PARKED
        | {
            "delayed": {TASK: GONE, "sooner": GONE},
            f"t:{TASK}": {"due": GONE},
            "t:sooner": {"due": GONE},
            "q:default": {"sooner": score(2), TASK: score(3)},
            "queue:default": {"delayed": "1", "place": "48"},
        },
    )
    await bench.refuse(*CALL, answer=[str(LATER), str(NOW + 5001), "0"])


async def test_a_retry_keeps_its_old_place(bench: Bench) -> None:
    fence = await bench.running(limits__retries="1")
    await bench.queued("later")
    await bench.call("fail", NOW, TASK, fence, "exit code 1", "", "1", "0", "")
    await bench.call(*CALL)
    assert await bench.command("ZRANGE", "q:default", 0, -1) == [TASK, "later"]
    assert not {"due", "score"} & (await bench.state())[f"t:{TASK}"].keys()


async def test_into_a_paused_queue_without_a_bell(bench: Bench) -> None:
    await bench.worker()
    await bench.call("snapshot", NOW, "w", 1, "default")
    await bench.call("queue_pause", NOW, "default", "me", "")
    await bench.queued(delay="1")
    await bench.call(*CALL)
    state = await bench.state()
    assert state["q:default"] == {TASK: score()} and "bell:w" not in state


async def test_a_hundred_at_once(bench: Bench) -> None:
    for i in range(150):
        await bench.call("enqueue", NOW, f"t{i}", "default", "", "1", "", "r", "n", "", "", "", *flat(NAME))
    assert await bench.call(*CALL) == [str(LATER), str(NOW + 1), "0"]
    assert await bench.call(*CALL) == [str(LATER), "", "0"]
    assert len((await bench.state())["q:default"]) == 150


async def test_a_lost_attempt_whose_time_is_over_runs_again(bench: Bench) -> None:
    await bench.lost(limits__lost_timeout="5.0")
    reason, proof = "lost with its worker, runs again", "it did not come back in time"
    assert await bench.call("tick", LATER - 1, "timer") == [str(LATER - 1), str(LATER), "0"]
    await bench.check(
        *CALL,
        answer=[str(LATER), "", "0"],
        changed=PARKED
        | LET_GO
        | {
            f"t:{TASK}": status("queued", reason, proof) | {"losses": "1", "stage": GONE, "score": GONE},
            "lost": GONE,
            "q:default": {TASK: score()},
            "events": [event("task.reclaimed", queue="default", worker=LABEL, status="queued", reason=reason)],
        },
    )


async def test_or_fails_when_its_budget_is_spent(bench: Bench) -> None:
    await bench.lost(limits__lost_timeout="5.0", limits__losses="0")
    reason, proof = "lost with its worker", "it did not come back in time"
    await bench.check(
        *CALL,
        answer=[str(LATER), "", "0"],
        changed=PARKED
        | LET_GO
        | {
            f"t:{TASK}": ended("failed", reason, proof, losses="1"),
            "lost": GONE,
            "dead": {TASK: LATER},
            "events": [event("task.failed", queue="default", worker=LABEL, status="failed", reason=reason)],
        },
    )


async def test_its_cards_drain(bench: Bench) -> None:
    fence = await bench.lost(limits__lost_timeout="5.0", gpus=("g1",))
    await bench.call(*CALL)
    assert (await bench.state())["gpus:host"] == {"g1": f"draining {TASK} {fence}"}


@pytest.mark.parametrize(("delay", "timeout", "wanted"), [("9000", "8.0", 8000), ("8000", "9.0", 8000)])
async def test_the_next_time_is_the_sooner_one(bench: Bench, delay: str, timeout: str, wanted: int) -> None:
    await bench.lost("lost", limits__lost_timeout=timeout)
    await bench.queued(delay=delay)
    assert await bench.call(*CALL) == [str(LATER), str(NOW + wanted), "0"]


async def test_timers_that_came_no_more_are_forgotten(bench: Bench) -> None:
    await bench.call("tick", NOW, "old")
    await bench.call("tick", NOW + 60_001, "timer")
    assert (await bench.state())["idle:timer"] == {"timer": NOW + 60_001}


async def test_unfinished_work_is_said(bench: Bench) -> None:
    await bench.command("SADD", "todo", "one 1", "two 2")
    assert (await bench.call(*CALL))[2] == "1"
    assert (await bench.call(*CALL))[2] == "0"
