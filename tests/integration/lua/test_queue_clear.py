"""queue_clear: every task that waits in a queue is a draft again."""

from __future__ import annotations

from typing import Any

from tests.integration.lua.test_enqueue_many import one
from tests.support.bench import LATER, NAME, NOW, SUPERVISOR, TASK, Bench, event, flat, lean, score, status
from tests.support.state import GONE, lifetimes

CALL = ("queue_clear", LATER, "default", "1")
DRAFT = status("created", "queue cleared") | {"request": GONE, "due": GONE}


def said(id: str) -> dict[str, str]:
    return event("task.dequeued", id, queue="default", status="created", reason="queue cleared")


async def fill(bench: Bench, count: int, at: int = NOW, prefix: str = "t", queue: str = "default") -> None:
    """Many waiting tasks in one round trip."""
    script = """
      for i = 1, ARGV[1] do
        redis.call('HSET', KEYS[1] .. i, 'status', 'queued', 'queue', ARGV[2], 'enqueued', ARGV[3], 'name', 'n')
        redis.call('ZADD', KEYS[2], 1000 + i + ARGV[4], KEYS[3] .. i)
      end"""
    keys = (bench.keys("t", prefix), bench.keys("q", queue), prefix)
    await bench.storage.command("EVAL", script, 3, *keys, count, queue, at, 0 if at == NOW else 1_000_000)


async def finish(bench: Bench, begin: str) -> int:
    """Clear, or carry on, until it is done; how many were taken."""
    answer = ["more"]
    while answer[0] == "more":
        answer = await bench.call("queue_clear", LATER + 2, "default", begin)
        begin = ""
    return int(answer[2])


async def test_waiting_delayed_and_functions_and_nothing_else(bench: Bench) -> None:
    await bench.running("runs")
    await bench.call("queue_create", NOW, "other", "other", "[]")
    await bench.queued("away", "other")
    await bench.queued("away later", "other", delay="60000")
    await bench.queued()
    await bench.queued("later", delay="60000")
    await bench.queued("f", fn="app.f")
    expected: dict[str, Any] = {
        f"t:{TASK}": DRAFT,
        "t:later": DRAFT,
        "t:f": lean(DRAFT) | {"status_reason": "queue cleared", "status_message": ""},
        "q:default": GONE,
        "fn:default": GONE,
        "delayed": {"later": GONE},
        "queue:default": {"delayed": "0"},
        "changed": {TASK: LATER, "later": LATER},
        "events": [said(TASK), said("later"), event("queue.cleared", "", queue="default")],
        "events.fn": [{"at": str(LATER), "name": "cleared", "app.f": "1"}],
    }
    after = await bench.check(*CALL, answer=["cleared", "default", "3"], changed=expected)
    assert after["q:other"] == {"away": score()}
    assert SUPERVISOR in after["beats"]


async def test_an_empty_queue(bench: Bench) -> None:
    done = {"events": [event("queue.cleared", "", queue="default")]}
    await bench.check(*CALL, answer=["cleared", "default", "0"], changed=done)
    await bench.refuse("queue_clear", LATER, "default", "", answer=["cleared", "default", "0"])


async def test_a_big_one_goes_in_slices_and_later_arrivals_stay(bench: Bench) -> None:
    await fill(bench, 700)
    assert await bench.call(*CALL) == ["more", "default", "200"]
    state = await bench.state()
    assert state["todo"] == {"clear default": True} and len(state["q:default"]) == 500
    await fill(bench, 300, LATER + 1, "new")
    assert await finish(bench, "") == 700
    state = await bench.state()
    assert set(state["q:default"]) == {f"new{i}" for i in range(1, 301)}
    assert "todo" not in state
    assert not [name for name in state["queue:default"] if name.startswith("clear")]


async def test_nobody_comes_back_and_any_beat_carries_it_on(bench: Bench) -> None:
    await bench.worker()
    await fill(bench, 900)
    await bench.call(*CALL)
    for _ in range(8):
        await bench.call("beat", LATER, "w", "", "")
    state = await bench.state()
    assert "q:default" not in state and "todo" not in state
    assert {task["status"] for key, task in state.items() if key.startswith("t:")} == {"created"}


async def test_a_second_clear_takes_what_the_first_passed_over(bench: Bench) -> None:
    await fill(bench, 500)
    await bench.call(*CALL)
    await fill(bench, 1300, LATER + 1, "new")
    await bench.call("tick", LATER + 2, "timer")
    await bench.call("tick", LATER + 2, "timer")
    assert (await bench.state())["todo"] == {"clear default": True}
    assert await finish(bench, "1") == 1800, "it has gone on with the first one"
    assert "q:default" not in await bench.state()


async def test_what_was_enqueued_before_the_server_s_clock_was_set_back_is_taken(bench: Bench) -> None:
    hour = 3_600_000
    await bench.queued()
    await fill(bench, 300, at=LATER + hour)
    assert await finish(bench, "1") == 301
    assert "q:default" not in await bench.state()


async def test_many_delayed_ones(bench: Bench) -> None:
    for i in range(450):
        call = ("enqueue", NOW, f"d{i}", "default", "", "60000", "", "r", "n", "", "", "", *flat(NAME))
        await bench.call(*call)
    assert await finish(bench, "1") == 450
    state = await bench.state()
    assert "delayed" not in state and state["queue:default"]["delayed"] == "0"


async def test_functions_go_fast_and_leave_what_a_draft_needs(bench: Bench) -> None:
    await bench.call("enqueue_many", NOW, *(word for i in range(1500) for word in one(f"t{i:04}", keep="120000")))
    await bench.call("enqueue_many", NOW, *one("limited", limits="k"), *one("unique", unique="u"), *one("last"))
    answer = await bench.call(*CALL, "r")
    assert answer == ["more", "default", "800"]
    await bench.call("enqueue_many", LATER + 1, *one("new"))
    assert await finish(bench, "") == 1503
    state = await bench.state()
    assert set(state["fn:default"]) == {"new"}
    assert not [key for key in state if key.startswith(("unique:", "permits:", "limit."))]
    fields = {"status": "created", "status_reason": "queue cleared", "status_changed": str(LATER)}
    assert state["t:t0000"].items() >= fields.items()
    assert state["t:t0000"]["args"] == "[1]"
    lives = await lifetimes(bench.storage)
    assert all(0 < lives[f"t:{id}"] <= 604_800_000 for id in ("t0000", "t1499", "limited", "unique", "last"))
    counts = [entry["app.f"] for entry in state["events.fn"] if entry["name"] == "cleared"]
    assert sum(map(int, counts)) == 1503


async def test_a_repeat_tells_the_count(bench: Bench) -> None:
    await bench.worker()
    await fill(bench, 300)
    assert await bench.call(*CALL, "r") == ["more", "default", "200"]
    assert await bench.call(*CALL, "r") == ["cleared", "default", "300"], "a repeat begins nothing anew"
    for begin in ("1", ""):
        await bench.refuse(*CALL[:3], begin, "r", answer=["cleared", "default", "300"])
    await fill(bench, 300)
    assert await bench.call(*CALL, "s") == ["more", "default", "200"]
    for _ in range(3):  # a beat does the end of it
        await bench.call("beat", LATER, "w", "", "")
    await bench.refuse(*CALL[:3], "", "s", answer=["cleared", "default", "300"])
    assert (await bench.state())["events"][-1]["name"] == "queue.cleared"


async def test_no_such_queue(bench: Bench) -> None:
    await bench.refuse("queue_clear", LATER, "nowhere", "1", answer=["no_queue"])
