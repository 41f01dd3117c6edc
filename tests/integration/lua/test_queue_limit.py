"""queue_limit: the size of a limit by key."""

from __future__ import annotations

import pytest

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
        answer=["set", "default", "2", "1"],
        changed={
            "queue:default": {"limit:k": "2", "limit.hand:k": "1", "rev": "2"},
            "events": [event("queue.limited", "", queue="default", reason="k 2")],
        },
    )  # fmt: skip
    await bench.refuse("queue_limit", LATER, "default", "k", 2, "", answer=["set", "default", "2", "1"])
    await bench.call("queue_limit", LATER, "default", "k", 100, "60000")
    assert (await bench.state())["queue:default"]["limit:k"] == "100/60000"
    await bench.call("queue_limit", LATER, "default", "k", "", "")
    assert not [field for field in (await bench.state())["queue:default"] if field.startswith("limit")]


@pytest.mark.parametrize(("size", "period"), [(0, ""), (-1, ""), ("x", ""), (1, 0), ("", 5)])
async def test_a_size_that_is_none(bench: Bench, size: int | str, period: int | str) -> None:
    await bench.call("queue_create", NOW, "default", "default", "[]")
    await bench.refuse("queue_limit", LATER, "default", "k", size, period, answer=["bad_size"])


async def test_a_size_set_by_hand_wins_over_the_declared_one_until_it_is_taken_off(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "default", "default", "[]")
    await bench.refuse("queue_limit", LATER, "default", "k", "", "", "app", answer=["bad_size"])
    await bench.check(
        "queue_limit", LATER, "default", "k", 5, "60000", "app",
        answer=["set", "default", "5/60000", ""],
        changed={
            "queue:default": {"limit:k": "5/60000", "limit.app:k": "5/60000", "rev": "2"},
            "events": [event("queue.limited", "", queue="default", reason="k 5/60000")],
        },
    )  # fmt: skip
    assert await bench.call("queue_limit", LATER, "default", "k", 2, "") == ["set", "default", "2", "1"]
    await bench.check(
        "queue_limit", LATER, "default", "k", 7, "", "app",
        answer=["set", "default", "2", "1"],
        changed={"queue:default": {"limit.app:k": "7"}},
    )  # fmt: skip
    assert await bench.call("queue_limit", LATER, "default", "k", "", "") == ["set", "default", "7", ""]
    await bench.refuse("queue_limit", LATER, "default", "k", "", "", answer=["set", "default", "7", ""])


async def test_what_a_caller_declares_holds_where_nothing_was_declared(bench: Bench) -> None:
    fields = {"limits": "k:1 k.rate:1", "sizes": "k=1 k.rate=9/60000"}
    await bench.call("enqueue_many", NOW, *one("t0", **fields), *one("t1", **fields))
    state = await bench.state()
    assert (state["queue:default"]["limit:k"], state["queue:default"]["limit.app:k.rate"]) == ("1", "9/60000")
    assert list(state["limit.held:default:k:1"]) == ["t1"], "it holds for the tasks that bring it"
    assert "sizes" not in state["t:t0"]
    await bench.call("enqueue_many", LATER, *one("t2", limits="k:2", sizes="k=5"))
    assert (await bench.state())["queue:default"]["limit:k"] == "1", "another caller changes nothing"
    await bench.call("queue_limit", LATER, "default", "k", 5, "", "app")
    assert (await bench.state())["queue:default"]["limit:k"] == "5", "a worker does"
    await bench.call("queue_limit", LATER, "default", "hand", 3, "")
    await bench.call("enqueue_many", LATER, *one("t3", limits="hand", sizes="hand=1"))
    assert (await bench.state())["queue:default"]["limit:hand"] == "3", "by hand wins"


async def test_a_delayed_task_brings_its_sizes_too(bench: Bench) -> None:
    await bench.call("enqueue_many", NOW, *one("t0", delay="100", limits="k", sizes="k=2"))
    assert (await bench.state())["queue:default"]["limit:k"] == "2"


async def test_no_such_queue(bench: Bench) -> None:
    await bench.refuse("queue_limit", LATER, "nowhere", "k", 2, "", answer=["no_queue"])


async def test_a_smaller_size_sends_the_worst_back_and_a_larger_one_lets_the_best_in(bench: Bench) -> None:
    await waiting(bench, "k:1", "k:1", "k:1", "k:2")
    await bench.check(
        "queue_limit", LATER, "default", "k", 1, "",
        answer=["set", "default", "1", "1"],
        changed={
            "queue:default": {"limit:k": "1", "limit.hand:k": "1", "rev": "2", "held": "2"},
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
