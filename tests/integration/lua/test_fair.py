"""Fair queues: whoever enqueues much waits for himself only."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.bench import NOW, WORKER, Bench
from tests.support.state import forget
from tests.support.turns import TURN, FairModel, FairQueue


async def test_each_key_is_served_before_one_is_served_twice(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    for start in range(0, 900, 100):
        await queue.enqueue("big", *(f"b{number}" for number in range(start, start + 100)))
    for number in range(99):
        await queue.enqueue(f"k{number}", f"s{number}")
    order = await queue.served(100, batch=10)
    # All keys once, in the order in which they came.
    assert order == ["big", *(f"k{number}" for number in range(99))]
    assert await queue.served(50, batch=50) == ["big"] * 50
    state = await queue.check()
    assert set(state["fair:q"]) == {"k:big", "v:fn/0"}, "keys without tasks are forgotten"


async def test_a_key_with_always_one_waiting_has_its_share_only(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    await queue.enqueue("big", *(f"b{number}" for number in range(60)))
    await queue.enqueue("one", "o0")
    order = []
    for number in range(60):
        [id] = await queue.turn(1, "complete")
        order.append(queue.keys[id])
        if order[-1] == "one":
            await queue.enqueue("one", f"o{number + 1}")
    assert 29 <= order.count("one") <= 31
    assert "big big big" not in " ".join(order) and "one one one" not in " ".join(order)


async def test_a_key_that_comes_back_has_saved_nothing_up(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    await queue.enqueue("big", *(f"b{number}" for number in range(60)))
    await queue.enqueue("rare", "r0")
    await queue.served(30)
    await queue.enqueue("rare", *(f"r{number}" for number in range(1, 11)))
    assert Counter(await queue.served(10)) == {"big": 5, "rare": 5}


async def test_weights(bench: Bench) -> None:
    queue = await FairQueue(bench).make(gold=3, silver=2)
    for key in ("gold", "silver", "lead"):
        await queue.enqueue(key, *(f"{key}{number}" for number in range(60)))
    assert Counter(await queue.served(60, batch=7)) == {"gold": 30, "silver": 20, "lead": 10}
    assert Counter(await queue.served(6)) == {"gold": 3, "silver": 2, "lead": 1}


async def test_priority_comes_first_and_has_turns_of_its_own(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    await queue.enqueue("a", *(f"a{number}" for number in range(20)))
    await queue.enqueue("b", "b0", "b1", priority=5)
    await queue.enqueue("a", "a20", "a21", priority=5)
    assert await queue.turn(4) == ["b0", "a20", "b1", "a21"]
    # What happened among others does not count among these.
    await queue.enqueue("b", "b2", "b3")
    assert await queue.turn(4) == ["a0", "b2", "a1", "b3"]


async def test_a_key_whose_tasks_never_ran_starts_where_the_others_are(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    ids = [f"a{number}" for number in range(5)]
    await queue.enqueue("a", *ids)
    await queue.enqueue("b", "b0", "b1", "b2")
    for id, verb in zip(ids, ["dequeue", "stop", "delete", "dequeue", "stop"], strict=True):
        await bench.call(verb, NOW, id, "1")
    assert "k:a" not in (await queue.check())["fair:q"]
    await queue.enqueue("a", "a5")
    assert await queue.turn(2) == ["b0", "a5"]
    await queue.enqueue("a", *(f"a{number}" for number in range(6, 30)))
    await bench.call("queue_clear", NOW, "q", "1")
    assert "k:a" not in (await queue.check())["fair:q"]
    assert "k:b" not in (await queue.check())["fair:q"]


async def test_what_comes_back_has_the_place_it_had(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    await queue.enqueue("a", *(f"a{number}" for number in range(6)))
    await queue.enqueue("b", *(f"b{number}" for number in range(6)))
    assert await queue.turn(3) == ["a0", "b0", "a1"]
    await queue.turn(0, "release", ["a0"])
    await queue.turn(0, "retry", ["b0"])
    await queue.check()
    assert await queue.turn(3) == ["a0", "b0", "b1"]
    await bench.call("reclaim", NOW, WORKER, "", "silent")
    await bench.worker(lanes="fn:q")
    queue.running = {}
    await queue.check()
    assert await queue.turn(5) == ["a0", "b0", "a1", "b1", "a2"]


async def test_a_delayed_task_joins_when_it_is_due(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    await queue.enqueue("late", "l0", "l1", delay="1000")
    assert "fair:q" not in await queue.check()
    await queue.enqueue("big", *(f"b{number}" for number in range(20)))
    await queue.turn(5)
    queue.now += 1000
    assert await queue.turn(4) == ["b5", "l0", "b6", "l1"]


async def test_tasks_without_a_key_share_one(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    await queue.enqueue(None, "n0", "n1", "n2")
    await queue.enqueue("a", "a0")
    await bench.queued("script", "q", fair="a")
    await bench.queued("plain", "q", fn="g")
    state = await queue.check()
    assert state["fair:q"]["k:"].startswith("4 fn/0=")
    assert state["t:plain"]["x"] == "1"
    assert await queue.turn(9) == ["n0", "a0", "n1", "n2", "plain"]
    await queue.turn(0, "complete")
    assert set((await queue.check())["fair:q"]) == {"k:a", "v:fn/0", "v:q/0"}


async def test_moves_hold(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    await queue.enqueue("a", *(f"a{number}" for number in range(4)))
    await queue.enqueue("b", "b0", "b1")
    moves = [("a3", "front", ""), ("b0", "back", ""), ("b1", "before", "a1"), ("a0", "after", "b1"), ("a2", "to", "1")]
    for number, (id, how, what) in enumerate(moves):
        assert (await bench.call("move", NOW, "q", id, how, what, f"m{number}"))[0] == "moved"
    await queue.enqueue("c", "c0")
    await queue.check()
    assert await queue.turn(9) == ["a3", "a2", "c0", "b1", "a0", "a1", "b0"]
    await queue.turn(0, "complete")
    assert not [field for field in (await queue.check())["fair:q"] if field.startswith("k:")]


async def test_many_moves_into_one_gap(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    ids = [f"t{number:02}" for number in range(40)]
    for id in ids:
        await queue.enqueue(id, id)
    for number, id in enumerate(ids[2:]):
        await bench.call("move", NOW, "q", id, "before", "t01", f"m{number}")
        await bench.call("move", NOW, "q", "t00", "back", "", f"b{number}")
    assert await queue.turn(40) == [*ids[2:], "t01", "t00"]


async def test_limits_and_turns_together(bench: Bench) -> None:
    queue = await FairQueue(bench).make()
    await bench.call("queue_limit", NOW, "q", "one", 1, "")
    await queue.enqueue("a", *(f"a{number}" for number in range(5)), limits="one:a")
    await queue.enqueue("b", *(f"b{number}" for number in range(5)), limits="one:b")
    await queue.enqueue("c", *(f"c{number}" for number in range(5)))
    assert await queue.turn(4) == ["a0", "b0", "c0", "c1"]
    await queue.check()
    await bench.call("dequeue", NOW, "a4")
    # Held ones have kept their turns.
    assert await queue.turn(4, "complete") == ["a1", "b1", "c2", "c3"]
    await queue.check()
    assert sorted(await queue.turn(9, "complete")) == ["a2", "b2", "c4"]
    await queue.turn(9, "complete")
    await queue.turn(9, "complete")
    await queue.turn(9, "complete")
    state = await queue.check()
    assert not [field for field in state["fair:q"] if field.startswith("k:")]


async def test_time_begins_anew_in_an_idle_queue(bench: Bench) -> None:
    queue = await FairQueue(bench).make(gold=2)
    await bench.command("HSET", "fair:q", "v:fn/0", f"{2**41 + 5} 3", "k:old", f"0 q/0={2**41}")
    await queue.enqueue("a", "a0", "a1")
    state = await queue.check()
    assert state["fair:q"] == {"w:gold": "2", "v:fn/0": "0 1", "k:a": f"2 fn/0={2 * TURN + 1}"}
    # Not while something has a place that it could meet again, and never into another priority.
    await bench.command("HSET", "fair:q", "v:fn/0", f"{2**42 - 100} 0")
    await queue.enqueue("b", "b0", "b1")
    state = await queue.check()
    assert [state["fn:q"][id] % 2**42 for id in ("b0", "b1")] == [2**42 - 1] * 2
    assert await queue.turn(9) == ["a0", "a1", "b0", "b1"]
    assert (await queue.check())["fair:q"]["v:fn/0"] == f"{2**42 - 1} 0"


async def test_a_script_taken_ahead_costs_its_own_key_a_turn_and_the_others_nothing(bench: Bench) -> None:
    """The head needs GPUs that are not free; a worker takes what fits from behind it."""
    await bench.call("queue_fair", NOW, "default", "1")
    await bench.worker()
    for id in ("big0", "big1", "big2"):
        await bench.queued(id, fair="big")
    await bench.queued("small0", fair="small")
    await bench.claimed("small0")
    state = await bench.state()
    # Virtual time is where the head is; the turn that was taken ahead is kept in mind.
    assert state["fair:default"] == {
        "v:q/0": f"{TURN + 1} 0",
        "k:big": f"3 q/0={3 * TURN + 1}",
        "k:small": f"0 q/0={TURN + 2}",
    }
    await bench.queued("new", fair="new")
    await bench.queued("small1", fair="small")
    state = await bench.state()
    assert list(state["q:default"]) == ["big0", "big1", "new", "small1", "big2"]
    await bench.claimed("small1")
    for id in ("big0", "big1", "new"):
        await bench.claimed(id)
    # Virtual time has come there: nothing is left to be kept in mind.
    assert set((await bench.state())["fair:default"]) == {"v:q/0", "k:big"}


keys = st.sampled_from(["a", "b", "c", "gold"])
enqueues = st.tuples(st.just("enqueue"), keys, st.integers(1, 6), st.sampled_from([0, 0, 0, 1]))
turns = st.tuples(st.just("turn"), st.integers(1, 5), st.sampled_from(["complete", "complete", "release", "fail"]))
drops = st.tuples(st.just("dequeue"), st.integers(0, 40))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(enqueues, turns, turns, drops), min_size=10, max_size=40))
async def test_it_serves_as_the_model_does(bench: Bench, steps: list[Any]) -> None:
    await forget(bench.storage)
    queue, model = await FairQueue(bench).make(gold=3), FairModel({"gold": 3})
    held: list[tuple[int, int, str, str]] = []
    made = 0
    for step in steps:
        match step:
            case ("enqueue", key, count, priority):
                ids = [f"t{made + number:04}" for number in range(count)]
                made += count
                await queue.enqueue(key, *ids, priority=priority)
                for id in ids:
                    model.enqueue(id, key, priority)
            case ("turn", count, how):
                if how == "release":
                    model.waiting += held
                held = model.take(count)
                assert await queue.turn(count, how) == [id for _, _, id, _ in held]
            case ("dequeue", number):
                id = f"t{number:04}"
                if any(entry[2] == id for entry in model.waiting):
                    model.drop(id)
                    await bench.call("dequeue", NOW, id)
        await queue.check()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(5, 40), st.integers(0, 15)), min_size=2, max_size=5))
async def test_while_two_keys_wait_neither_gets_more_than_a_turn_ahead(
    bench: Bench, plan: list[tuple[int, int, int]]
) -> None:
    """``plan``: weight, tasks, and after how many claims each key comes."""
    await forget(bench.storage)
    weights = {f"k{number}": weight for number, (weight, _, _) in enumerate(plan)}
    queue = await FairQueue(bench).make(**{key: weight for key, weight in weights.items() if weight > 1})
    served: Counter[str] = Counter()
    began: dict[tuple[str, str], tuple[int, int]] = {}
    waiting: Counter[str] = Counter()
    for claim in range(60):
        for number, (_, count, after) in enumerate(plan):
            if after == claim:
                key = f"k{number}"
                await queue.enqueue(key, *(f"{key}.{task:02}" for task in range(count)))
                waiting[key] = count
                began |= {(key, other): (served[key], served[other]) for other in waiting if waiting[other]}
        for id in await queue.turn(1, "complete"):
            served[queue.keys[id]] += 1
            waiting[queue.keys[id]] -= 1
        for (one, other), (first, second) in began.items():
            if waiting[one] > 0 and waiting[other] > 0:
                ahead = (served[one] - first) / weights[one] - (served[other] - second) / weights[other]
                assert abs(ahead) <= 1 / weights[one] + 1 / weights[other] + 0.01
