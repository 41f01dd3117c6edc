"""reclaim: a holder is dead; what it answered for is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from clearq.engine.figures import Figures
from clearq.engine.prometheus import render
from clearq.engine.tally import Tallies
from tests.support.bench import (
    HOST,
    LABEL,
    LATER,
    NAME,
    NOW,
    SUPERVISOR,
    TASK,
    WORKER,
    Bench,
    ended,
    event,
    flat,
    lean,
    score,
    status,
)
from tests.support.state import GONE, lifetimes

AGAIN = "lost with its worker, runs again"
PROOF = f"{LABEL}: silent"
BURIED = {"beats": GONE, "workers": GONE, "labels": GONE, f"worker:{WORKER}": {"ended": str(LATER)}}


def counted(function: str = "app.work", count: int = 1) -> dict[str, Any]:
    """What is told to monitoring."""
    entry = {"at": str(LATER), "name": "ended", f"{function} lost": str(count)}
    return {"tally": {f"lost  default 0 {function}": str(count)}, "events.fn": [entry]}


def lost(worker: str = LABEL) -> dict[str, str]:
    return event("worker.lost", "", worker=worker, reason="silent")


async def test_a_function_runs_again_at_its_place(bench: Bench) -> None:
    fence = await bench.function()
    again = lean(status("queued")) | {
        "status_reason": AGAIN,
        "status_message": PROOF,
        "losses": "1",
        "ready": str(LATER),
        "x": "1",
    }
    await bench.check(
        *("reclaim", LATER, WORKER, "1", "silent"),
        answer=["reclaimed", "1"],
        changed=BURIED
        | {
            f"t:{TASK}": again | {"stage": GONE, "holder": GONE},
            "fn:default": {TASK: score()},
            f"own:{WORKER}": GONE,
            "queue:default": {"running": "0"},
            "events": [
                lost(),
                event("task.reclaimed", queue="default", worker=LABEL, status="queued", reason=AGAIN),
            ],
        }
        | counted(),
    )
    await bench.refuse("reclaim", LATER, WORKER, "1", "silent", answer=["gone"])
    await bench.refuse("finish", LATER, TASK, fence, "completed", "", "", "", answer=["queued"])


async def test_a_running_script_is_lost_until_proof_or_its_time_is_over(bench: Bench) -> None:
    fence = await bench.running(gpus=("g1",))
    message = "no heartbeat from its supervisor"
    after = await bench.check(
        *("reclaim", LATER, SUPERVISOR, "1", "silent"),
        answer=["reclaimed", "1"],
        changed={
            f"t:{TASK}": status("in_progress", message) | {"stage": "lost", "holder": GONE, "score": str(score())},
            "lost": {TASK: LATER + 900_000},
            "beats": {SUPERVISOR: GONE},
            f"own:{SUPERVISOR}": GONE,
            "changed": {TASK: LATER},
            "events": [event("task.lost", queue="default", worker=LABEL, status="in_progress")],
        },
    )
    assert after[f"gpus:{HOST}"] == {"g1": f"{TASK} {fence}"}
    assert after["queue:default"]["running"] == "1"
    await bench.refuse("reclaim", LATER, SUPERVISOR, "1", "silent", answer=["gone"])


async def test_its_own_lost_timeout_and_an_earlier_deadline_rings_the_timer(bench: Bench) -> None:
    await bench.running(limits__lost_timeout="1.5")
    await bench.call("tick", NOW, "timer")
    await bench.call("reclaim", LATER, SUPERVISOR, "", "silent")
    state = await bench.state()
    assert state["lost"] == {TASK: LATER + 1500} and state["bell:timer"] == ["1"]


async def test_a_claimed_script_never_started_and_waits_again(bench: Bench) -> None:
    await bench.claimed(gpus=("g1",))
    await bench.check(
        *("reclaim", LATER, WORKER, "1", "silent"),
        answer=["reclaimed", "1"],
        changed=BURIED
        | {
            f"t:{TASK}": status("queued", AGAIN, PROOF)
            | {"losses": "1", "stage": GONE, "holder": GONE, "gpus_held": GONE},
            "q:default": {TASK: score()},
            f"own:{WORKER}": GONE,
            f"gpus:{HOST}": GONE,
            "queue:default": {"running": "0"},
            "changed": {TASK: LATER},
            "events": [
                lost(),
                event("task.reclaimed", queue="default", worker=LABEL, status="queued", reason=AGAIN),
            ],
        },
    )


async def test_a_stopped_one_does_not_run_again(bench: Bench) -> None:
    await bench.function()
    await bench.call("stop", NOW, TASK, "enough")
    await bench.call("reclaim", LATER, WORKER, "1", "silent")
    state = await bench.state()
    assert state[f"t:{TASK}"]["status"] == "stopped" and "fn:default" not in state


async def test_a_stop_mark_of_a_lost_script_stays(bench: Bench) -> None:
    await bench.running()
    await bench.call("stop", NOW, TASK, "enough")
    await bench.call("reclaim", LATER, SUPERVISOR, "1", "silent")
    task = (await bench.state())[f"t:{TASK}"]
    assert (task["stage"], task["stop"]) == ("lost", "enough")


async def test_out_of_its_budget_a_function_fails_and_is_set_aside(bench: Bench) -> None:
    await bench.function(limits__losses="0")
    reason = "lost with its worker"
    await bench.check(
        *("reclaim", LATER, WORKER, "1", "silent"),
        answer=["reclaimed", "1"],
        changed=BURIED
        | {
            f"t:{TASK}": ended("failed", reason, PROOF, losses="1", x="1"),
            f"own:{WORKER}": GONE,
            "dead": {TASK: LATER},
            "queue:default": {"running": "0"},
            "events": [lost(), event("task.failed", queue="default", worker=LABEL, status="failed", reason=reason)],
        }
        | counted(),
    )


@pytest.mark.parametrize("seen", ["0", "2", "x"])
async def test_a_counter_that_moved_is_no_death(bench: Bench, seen: str) -> None:
    await bench.running()
    await bench.refuse("reclaim", LATER, SUPERVISOR, seen, "silent", answer=["moved", "1"])


async def test_an_idle_worker_leaves_every_lane(bench: Bench) -> None:
    await bench.worker(lanes="q:default fn:default")
    await bench.call("claim_many", NOW, WORKER, "n", 1, 1, "q fn", "default", 1)
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    idle = dict.fromkeys(("idle:q:default", "idle:fn:default", f"idle:host:{HOST}"), GONE)
    await bench.check(
        *("reclaim", LATER, WORKER, "1", "silent"),
        answer=["reclaimed", "0"],
        changed=BURIED | idle | {"events": [lost()]},
    )
    assert set(await lifetimes(bench.storage)) == {f"worker:{WORKER}"}


async def test_an_entry_that_another_attempt_has_replaced_is_dropped(bench: Bench) -> None:
    fence = await bench.running()
    await bench.command("HSET", "own:old", TASK, "0.x 1")
    await bench.command("HSET", "beats", "old", "4")
    before = await bench.state()
    assert await bench.call("reclaim", LATER, "old", "4", "silent") == ["reclaimed", "1"]
    assert (await bench.state())[f"t:{TASK}"] == before[f"t:{TASK}"]
    assert await bench.call("finish", LATER, TASK, fence, "completed", "", "", "") == ["completed"]


async def test_a_big_holder_goes_in_slices(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    for i in range(250):
        fields = flat(NAME | {"fn": "app.f"})
        await bench.call("enqueue", NOW, f"t{i:03}", "default", "", "", "", "r", "n", "", "", "", *fields)
    assert len(await bench.call("claim_many", NOW, WORKER, "n", 250, 1, "fn", "default", 250)) == 251
    assert await bench.call("reclaim", LATER, WORKER, "1", "silent") == ["reclaimed", "250"]
    state = await bench.state()
    assert state["todo"] == {f"reclaim {WORKER}": True} and len(state[f"own:{WORKER}"]) == 150
    await bench.refuse("claim_many", LATER, WORKER, "n2", 1, 2, "fn", "default", 1, answer=["dead"])
    assert (await bench.call("tick", LATER, "timer"))[2] == "1"
    assert (await bench.call("tick", LATER, "timer"))[2] == "0"
    state = await bench.state()
    assert f"own:{WORKER}" not in state and "todo" not in state
    # Those of the later slices are told the same.
    assert {state[f"t:t{i:03}"]["status_message"] for i in range(250)} == {PROOF}
    assert await bench.command("ZRANGE", "fn:default", 0, -1) == [f"t{i:03}" for i in range(250)]
    assert state["queue:default"]["running"] == "0"
    assert state["tally"] == {"lost  default 0 app.f": "250"}
    assert 0 < (await lifetimes(bench.storage))["tally"] <= 30 * 86_400_000
    found = await Tallies(bench.storage).read()
    text = render(Figures(0.0, histograms=found)).splitlines()
    assert 'clearq_task_losses_total{function="app.f",queue="default"} 250' in text
    assert not [line for line in text if "duration" in line]


async def test_losses_do_not_make_the_tally_larger_than_it_may_be(bench: Bench) -> None:
    script = "for i = 1, 20000 do redis.call('HSET', KEYS[1], i, '1') end"
    await bench.storage.command("EVAL", script, 1, bench.keys("tally"))
    for id in ("a", "b"):
        await bench.function(id, fn=id)
    await bench.call("reclaim", LATER, WORKER, "1", "silent")
    assert (await bench.state())["tally"]["lost  other 0 other"] == "2"


async def test_an_unknown_holder(bench: Bench) -> None:
    await bench.refuse("reclaim", LATER, "nobody", "1", "silent", answer=["gone"])
