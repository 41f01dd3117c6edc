"""queue_limit: the size of a limit by key."""

from __future__ import annotations

from tests.integration.lua.test_enqueue_many import one
from tests.support.bench import LATER, NOW, Bench, event, score
from tests.support.state import GONE


async def waiting(bench: Bench, *limits: str) -> None:
    for number, keys in enumerate(limits):
        await bench.call("enqueue_many", NOW, *one(f"t{number}", limits=keys))


async def test_a_size_is_set_and_taken_away(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "default", "default", "[]")
    await bench.check(
        "queue_limit", LATER, "default", "k", 2, "",
        answer=["set", "default"],
        changed={
            "queue:default": {"limit:k": "2", "rev": "2"},
            "events": [event("queue.limited", "", queue="default", reason="k 2")],
        },
    )  # fmt: skip
    await bench.refuse("queue_limit", LATER, "default", "k", 2, "", answer=["set", "default"])
    await bench.call("queue_limit", LATER, "default", "k", 100, "60000")
    assert (await bench.state())["queue:default"]["limit:k"] == "100/60000"
    await bench.call("queue_limit", LATER, "default", "k", "", "")
    assert "limit:k" not in (await bench.state())["queue:default"]


async def test_no_such_queue(bench: Bench) -> None:
    await bench.refuse("queue_limit", LATER, "nowhere", "k", 2, "", answer=["no_queue"])


async def test_a_smaller_size_sends_the_worst_back_and_a_larger_one_lets_the_best_in(bench: Bench) -> None:
    await waiting(bench, "k:1", "k:1", "k:1", "k:2")
    await bench.check(
        "queue_limit", LATER, "default", "k", 1, "",
        answer=["set", "default"],
        changed={
            "queue:default": {"limit:k": "1", "rev": "2", "held": "2"},
            "fn:default": {"t1": GONE, "t2": GONE},
            "limit.lane:default:k:1": {"t1": GONE, "t2": GONE},
            "limit.held:default:k:1": {"t1": score(2), "t2": score(3)},
            "permits:default": {"k:1": "1"},
            "t:t1": {"held": "k:1"},
            "t:t2": {"held": "k:1"},
            "events": [event("queue.limited", "", queue="default", reason="k 1")],
        },
    )  # fmt: skip
    await bench.call("queue_limit", LATER, "default", "k", 2, "")
    state = await bench.state()
    assert state["fn:default"] == {"t0": score(1), "t1": score(2), "t3": score(4)}
    await bench.call("queue_limit", LATER, "default", "k", "", "")
    state = await bench.state()
    assert "limit.held:default:k:1" not in state
    assert state["permits:default"] == {"k:1": "3", "k:2": "1"}
    assert "held" not in state["t:t2"]


async def test_a_clear_takes_the_held_ones_too(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "default", "default", "[]")
    await bench.call("queue_limit", NOW, "default", "k", 1, "")
    await waiting(bench, *["k:1"] * 5, "k:2", "k:2")
    assert await bench.call("queue_delete", LATER, "default") == ["not_empty", "default", "7", "0", "0"]
    assert await bench.call("queue_clear", LATER, "default", "1") == ["cleared", "default", "7"]
    state = await bench.state()
    assert not any(key.startswith(("limit.", "permits:", "fn:")) for key in state)
    assert {state[f"t:t{number}"]["status"] for number in range(7)} == {"created"}
    assert await bench.call("queue_delete", LATER, "default") == ["deleted", "default"]
