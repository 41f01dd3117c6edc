"""enqueue_many: new functions into queues, all or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from clearq.engine.calls import Gift, Given, unwrapped
from tests.support.bench import LATER, NOW, TASK, Bench, score
from tests.support.state import GONE


def one(
    id: str = TASK, queue: str = "default", *, priority: str = "", delay: str = "", due: str = "", **extra: str
) -> list[Any]:
    fields = [text for name, value in extra.items() for text in (name.replace("__", "."), value)]
    return [id, queue, queue, "app.f", "[1]", priority, delay, due, len(extra), *fields]


def lean(queue: str = "default", **fields: str) -> dict[str, str]:
    return {"fn": "app.f", "args": "[1]", "queue": queue, "enqueued": str(LATER), **fields}


def batch(**counts: str) -> list[dict[str, str]]:
    return [{"at": str(LATER), "name": "queued", **(counts or {"app.f": "1"})}]


async def test_a_lean_task_has_no_field_that_it_does_not_need(bench: Bench) -> None:
    await bench.check(
        "enqueue_many",
        LATER,
        *one(),
        answer=["queued"],
        changed={
            f"t:{TASK}": lean(),
            "fn:default": {TASK: score(1)},
            "queue:default": {"place": "16"},
            "events.fn": batch(),
        },
    )
    await bench.refuse("enqueue_many", LATER, *one(), answer=["queued"])


async def test_another_task_with_that_id_is_not_touched(bench: Bench) -> None:
    await bench.call("enqueue_many", NOW, *one())
    await bench.refuse(
        "enqueue_many", LATER, TASK, "default", "default", "app.g", "[1]", "", "", "", 0, answer=["exists"]
    )


async def test_order_is_priority_then_place(bench: Bench) -> None:
    calls = [*one("a"), *one("b", priority="5"), *one("c")]
    assert await bench.call("enqueue_many", LATER, *calls) == ["queued"] * 3
    state = await bench.state()
    assert state["fn:default"] == {"a": score(1), "b": score(2, 5), "c": score(3)}
    assert state["events.fn"] == batch(**{"app.f": "3"})


async def test_a_queue_that_does_not_exist_is_made(bench: Bench) -> None:
    await bench.call("enqueue_many", LATER, *one(queue="emails"))
    state = await bench.state()
    assert state["queues"]["emails"] == "emails"
    assert state["fn:emails"] == {TASK: score(1)}


@pytest.mark.parametrize(("delay", "due"), [("1500", ""), ("", str(LATER + 1500))])
async def test_later(bench: Bench, delay: str, due: str) -> None:
    await bench.check(
        "enqueue_many",
        LATER,
        *one(delay=delay, due=due),
        answer=["queued"],
        changed={
            f"t:{TASK}": lean(due=str(LATER + 1500)),
            "delayed": {TASK: LATER + 1500},
            "queue:default": {"delayed": "1"},
            "events.fn": batch(),
        },
    )


async def test_a_unique_key_is_held_by_the_first(bench: Bench) -> None:
    key = {"unique": "nightly", "unique__mode": "done"}
    assert await bench.call("enqueue_many", NOW, *one("a", **key)) == ["queued"]
    await bench.refuse("enqueue_many", LATER, *one("b", **key), answer=["duplicate a"])
    assert [word.split()[0] for word in await bench.call("enqueue_many", LATER, *one("c", **key))] == ["duplicate"]
    await bench.call("stop", LATER, "a", "")
    assert await bench.call("enqueue_many", LATER, *one("b", **key)) == ["queued"]


async def test_a_task_waits_for_its_parents(bench: Bench) -> None:
    answer = await bench.call("enqueue_many", LATER, *one("a"), *one("b"), *one("child", after="a b"))
    assert answer == ["queued"] * 3
    state = await bench.state()
    assert set(state["fn:default"]) == {"a", "b"}
    assert state["t:child"]["waits"] == "2"
    assert state["after:a"] == {"child": True}
    assert state["queue:default"]["held"] == "1"


async def test_an_unknown_parent_refuses_the_whole_call(bench: Bench) -> None:
    await bench.refuse("enqueue_many", LATER, *one("a"), *one("b", after="nobody"), answer=["no_parent", "nobody"])


async def test_a_parent_that_failed_already_gives_what_the_rule_says(bench: Bench) -> None:
    await bench.ended("failed", "parent")
    assert await bench.call(
        "enqueue_many", LATER, *one("a", after="parent"), *one("b", after="parent", after__rule="run")
    ) == [
        "queued",
        "queued",
    ]
    assert set((await bench.state())["fn:default"]) == {"b"}
    await bench.call("tick", LATER, "timer")
    state = await bench.state()
    assert state["t:a"]["status"] == "failed"
    assert "todo" not in state
    assert "held" not in state["queue:default"] or state["queue:default"]["held"] == "0"


async def test_an_idle_worker_is_rung_once_for_each(bench: Bench) -> None:
    for worker in ("w1", "w2", "w3"):
        await bench.worker(worker, "fn:default")
        await bench.call("turn", NOW, worker, "n", 5, 1, "fn", 0, 0, 1, "default", 5)
    await bench.call("enqueue_many", LATER, *one("a"), *one("b"))
    state = await bench.state()
    assert sorted(key for key in state if key.startswith("bell:")) == ["bell:w2", "bell:w3"]
    assert state["idle:fn:default"] == {"w1": NOW}


async def idle(bench: Bench, worker: str = "w", room: int = 1, lanes: str = "fn:default") -> None:
    """A worker that found nothing, and could begin so many."""
    await bench.worker(worker, lanes)
    await bench.call("turn", NOW, worker, "n", 5, 1, lanes.partition(":")[0], room, 0, 1, "default", 5)


async def test_a_worker_that_waits_is_given_it_at_once(bench: Bench) -> None:
    await idle(bench)
    fence = f"1.g1x{LATER}"
    options = '{"timeout":5}'
    word = f"1 {LATER} 4 {len(fence)} 7 5 13\n{TASK}{fence}defaultapp.f{options}[1]"
    await bench.check(
        "enqueue_many",
        LATER,
        *one(options=options),
        answer=["queued"],
        changed={
            f"t:{TASK}": lean(x="1", options=options, status="in_progress", fence=fence, holder="w"),
            "own:w": {TASK: f"{fence} {score(1)}"},
            "worker:w": {"given": "1"},
            "idle:fn:default": GONE,
            "given:w": [word],
            "queue:default": {"place": "16", "running": "1"},
            "events.fn": batch(),
        },
    )
    assert unwrapped(word.encode()) == Gift(
        1, Given(TASK, fence, "app.f", b"[1]", LATER / 1000, 0, 0, options.encode(), "default", LATER / 1000)
    )
    await bench.refuse("enqueue_many", LATER, *one(options=options), answer=["queued"])


async def test_no_more_is_given_than_there_is_room(bench: Bench) -> None:
    await idle(bench, "full", room=0)
    await bench.call("enqueue_many", LATER, *one("a"))
    state = await bench.state()
    assert (state["fn:default"], state["bell:full"]) == ({"a": score(1)}, ["1"])


async def test_nothing_that_waits_is_overtaken(bench: Bench) -> None:
    await bench.call("enqueue_many", NOW, *one("first"))
    await bench.call("queue_pause", NOW, "default", "me", "", "")
    await idle(bench)
    await bench.command("HDEL", "queue:default", "paused")
    await bench.call("enqueue_many", LATER, *one("second", priority="9"))
    state = await bench.state()
    assert set(state["fn:default"]) == {"first", "second"}
    assert state["bell:w"] == ["1"]


@pytest.mark.parametrize("extra", [{"unique": "k"}, {"limits": "k"}, {"after": "parent"}])
async def test_what_needs_more_than_a_claim_goes_through_its_lane(bench: Bench, extra: dict[str, str]) -> None:
    await bench.call("enqueue_many", NOW, *one("parent", "elsewhere"))
    await idle(bench)
    await bench.call("enqueue_many", LATER, *one(**extra))
    assert "given:w" not in await bench.state()


async def test_nothing_is_given_of_a_paused_queue(bench: Bench) -> None:
    await idle(bench)
    await bench.call("queue_pause", NOW, "default", "me", "", "")
    await bench.call("enqueue_many", LATER, *one())
    state = await bench.state()
    assert "given:w" not in state
    assert set(state["fn:default"]) == {TASK}


async def test_a_batch_is_given_one_by_one_as_far_as_it_goes(bench: Bench) -> None:
    await idle(bench, "w1", room=5)
    await idle(bench, "w2", room=5)
    await idle(bench, "other", room=5, lanes="fn.other:default")
    await bench.call("enqueue_many", LATER, *one("a"), *one("b"), *one("c"), *one("d", app="other"))
    state = await bench.state()
    assert {key: set(state[f"own:{key}"]) for key in ("w1", "w2", "other")} == {
        "w2": {"a"},
        "w1": {"b"},
        "other": {"d"},
    }
    assert state["fn:default"] == {"c": score(3)}


async def test_a_key_needs_a_fair_queue_or_makes_one(bench: Bench) -> None:
    await bench.call("enqueue_many", NOW, *one("ordinary"))
    await bench.refuse("enqueue_many", LATER, *one("first", "new"), *one(fair="k"), answer=["not_fair", "default"])
    assert (
        await bench.call("enqueue_many", NOW, *one("first", "new"), *one("second", "new", fair="k")) == ["queued"] * 2
    )
    state = await bench.state()
    assert state["queue:new"]["fair"] == "0"
    assert (state["t:first"]["fair"], state["t:second"]["fair"]) == ("", "k")
    # The same again, and without a key, is no mistake.
    assert (
        await bench.call("enqueue_many", NOW, *one("second", "new", fair="k"), *one("third", "new")) == ["queued"] * 2
    )
