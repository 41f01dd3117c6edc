"""beat: one heartbeat for all that a holder answers for."""

from __future__ import annotations

import pytest

from tests.support.bench import LATER, NOW, SUPERVISOR, TASK, WORKER, Bench, event, score
from tests.support.state import GONE


async def test_a_supervisor_counts_on(bench: Bench) -> None:
    fence = await bench.running()
    for count in ("2", "3"):
        call = ("beat", LATER, SUPERVISOR, "", "", TASK, fence)
        await bench.check(*call, answer=["ok", "0", "0", "0"], changed={"beats": {SUPERVISOR: count}})


async def test_a_worker_is_seen_and_says_how_it_is(bench: Bench) -> None:
    await bench.worker()
    await bench.check(
        *("beat", LATER, WORKER, '{"cpu":5.0}', "idle"),
        answer=["ok", "0", "0", "0"],
        changed={
            "beats": {WORKER: "2"},
            "workers": {WORKER: LATER},
            f"worker:{WORKER}": {"metrics": '{"cpu":5.0}', "state": "idle"},
        },
    )


@pytest.mark.parametrize(
    ("lanes", "work"),
    [
        ("q:default", "1"),
        ("fn:default", "0"),
        ("fn:default q:default", "1"),
        ("q:services", "0"),
        ("q:gone", "0"),
        ("", "0"),
    ],
)
async def test_it_says_whether_there_is_work(bench: Bench, lanes: str, work: str) -> None:
    await bench.worker(lanes=lanes)
    await bench.queued()
    assert await bench.call("beat", LATER, WORKER, "", "") == ["ok", work, "0", "0"]


async def test_it_says_what_shall_end_and_what_is_no_longer_held(bench: Bench) -> None:
    first = await bench.claimed("t1")
    second = await bench.claimed("t2")
    third = await bench.claimed("t3")
    await bench.call("stop", NOW, "t2", "")
    await bench.call("release", NOW, "t3", third, "", "")
    call = ("beat", LATER, WORKER, "", "", "t1", first, "t2", second, "t3", third, "t1", "9.x", "nobody", "1.x")
    seen = {"beats": {WORKER: "2"}, "workers": {WORKER: LATER}}
    await bench.check(*call, answer=["ok", "1", "0", "1", "t2", "t3", "t1", "nobody"], changed=seen)


async def test_one_that_was_declared_dead_is_gone(bench: Bench) -> None:
    fence = await bench.running()
    await bench.call("reclaim", NOW, SUPERVISOR, "", "silent")
    await bench.refuse("beat", LATER, SUPERVISOR, "", "", TASK, fence, answer=["gone"])
    await bench.refuse("beat", LATER, "nobody", "", "", answer=["gone"])


async def test_it_promotes_what_is_due(bench: Bench) -> None:
    await bench.worker()
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    await bench.queued(delay="5000")
    await bench.queued("later", delay="5001")
    await bench.check(
        *("beat", LATER, WORKER, "", ""),
        answer=["ok", "0", "0", "0"],
        changed={
            "beats": {WORKER: "2"},
            "workers": {WORKER: LATER},
            "delayed": {TASK: GONE},
            f"t:{TASK}": {"due": GONE},
            "q:default": {TASK: score()},
            "queue:default": {"delayed": "1", "place": "16"},
            "idle:q:default": GONE,
            f"bell:{WORKER}": ["1"],
        },
    )


async def test_it_carries_on_unfinished_work(bench: Bench) -> None:
    await bench.running()
    await bench.command("SADD", "todo", "clear default", f"reclaim {SUPERVISOR}", "unknown word")
    await bench.command("HSET", "queue:default", "clearing", NOW)
    await bench.queued("waits")
    for _ in range(40):
        await bench.call("beat", LATER, WORKER, "", "")
    state = await bench.state()
    assert "todo" not in state and "q:default" not in state and state["lost"].keys() == {TASK}
    assert event("task.dequeued", "waits", queue="default", status="created", reason="queue cleared") in state["events"]
