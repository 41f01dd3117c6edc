"""enqueue: put a task into a queue; with fields, make it first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import LATER, NAME, NOW, TASK, WORKER, Bench, event, flat, lean, score, status
from tests.support.state import GONE, lifetimes

DAY = 86_400_000


def call(
    queue: str = "default",
    *,
    priority: str = "",
    delay: str = "",
    due: str = "",
    request: str = "request",
    flags: str = "",
    slug: str = "",
    unique: str = "",
    fields: dict[str, str] | None = None,
) -> tuple[Any, ...]:
    words = ("enqueue", LATER, TASK, queue, priority, delay, due, request, flags, slug or queue, unique, DAY)
    return (*words, *flat(fields or {}))


def waits(**fields: Any) -> dict[str, Any]:
    """The task's hash after it was enqueued."""
    entered = {"request": "request", "queue": "default", "enqueued": str(LATER), "priority": "0"}
    return status("queued") | entered | fields


def queued(place: int = 1, **fields: Any) -> dict[str, Any]:
    """All that changes."""
    return {
        f"t:{TASK}": waits(**fields),
        "q:default": {TASK: score(place)},
        "queue:default": {"place": str(16 * place)},
        "changed": {TASK: LATER},
        "events": [event("task.queued", queue="default", status="queued")],
    }


ANSWER = ["queued", TASK, "default", str(LATER)]


async def test_a_draft_waits(bench: Bench) -> None:
    await bench.draft()
    await bench.check(*call(), answer=ANSWER, changed=queued())
    await bench.refuse(*call(), answer=ANSWER)


async def test_a_new_task_is_made_and_waits(bench: Bench) -> None:
    arguments = call(flags="n", fields=NAME)
    await bench.check(*arguments, answer=ANSWER, changed=queued(**NAME, created=str(LATER)))
    await bench.refuse(*arguments, answer=ANSWER)


async def test_a_repeat_answers_the_same_after_the_task_has_run(bench: Bench) -> None:
    await bench.draft()
    await bench.call(*call())
    await bench.ended()
    assert (await bench.call(*call()))[:3] == ANSWER[:3]
    await bench.refuse(*call(), answer=...)
    await bench.refuse(*call(request="another"), answer=["conflict", "completed"])


async def test_a_function_is_lean_and_waits_in_its_own_lane(bench: Bench) -> None:
    fields = {"name": "f", "fn": "app.f"}
    expected = queued(created=str(LATER), **fields)
    expected[f"t:{TASK}"] = lean(expected[f"t:{TASK}"])
    del expected["changed"]
    expected["fn:default"] = expected.pop("q:default")
    await bench.check(*call(flags="n", fields=fields), answer=ANSWER, changed=expected)


async def test_places_follow_each_other_and_priorities_are_bands(bench: Bench) -> None:
    for place, priority in enumerate(["", "1000", "-1000", "1", "", "1000"], 1):
        await bench.queued(f"t{place}", priority=priority)
        assert (await bench.state())["q:default"][f"t{place}"] == score(place, int(priority or 0))
    order = await bench.command("ZRANGE", "q:default", 0, -1)
    assert order == ["t2", "t6", "t4", "t1", "t5", "t3"]


async def test_the_last_place_of_the_lowest_priority_is_exact(bench: Bench) -> None:
    await bench.command("HSET", "queue:default", "place", 2**41, "running", 1)  # in use: no new beginning
    await bench.queued(priority="-1000")
    assert (await bench.command("ZSCORE", "q:default", TASK)) == 2000 * 2**42 + 2**41 + 16


@pytest.mark.parametrize(("delay", "due"), [("1500", ""), ("", str(LATER + 1500)), ("1500", str(NOW))])
async def test_a_delayed_task_waits_for_its_time(bench: Bench, delay: str, due: str) -> None:
    await bench.draft()
    await bench.check(
        *call(delay=delay, due=due),
        answer=ANSWER,
        changed={
            f"t:{TASK}": waits(due=str(LATER + 1500)),
            "delayed": {TASK: LATER + 1500},
            "queue:default": {"delayed": "1"},
            "changed": {TASK: LATER},
            "events": [event("task.queued", queue="default", status="queued")],
        },
    )
    await bench.refuse(*call(delay=delay, due=due), answer=ANSWER)


@pytest.mark.parametrize(("delay", "due"), [("0", ""), ("", str(LATER)), ("", str(NOW))])
async def test_a_time_that_is_over_is_no_delay(bench: Bench, delay: str, due: str) -> None:
    await bench.draft()
    await bench.check(*call(delay=delay, due=due), answer=ANSWER, changed=queued())


async def test_only_an_earlier_due_time_rings_the_timer(bench: Bench) -> None:
    await bench.queued("first", delay="60000")
    await bench.call("tick", NOW, "timer")
    await bench.queued("later", delay="90000")
    assert "bell:timer" not in await bench.state()
    await bench.queued("sooner", delay="30000")
    state = await bench.state()
    assert state["bell:timer"] == ["1"] and "idle:timer" not in state


async def test_idle_agents_are_all_rung_for_a_script(bench: Bench) -> None:
    for worker in ("w1", "w2"):
        await bench.worker(worker)
        await bench.call("snapshot", NOW, worker, 1, "default")
    await bench.draft()
    rung = {"idle:q:default": GONE, "bell:w1": ["1"], "bell:w2": ["1"]}
    await bench.check(*call(), answer=ANSWER, changed=queued() | rung)
    assert set(await lifetimes(bench.storage)) == {"bell:w1", "bell:w2"}


async def test_the_function_worker_that_came_last_is_rung(bench: Bench) -> None:
    for at, worker in enumerate(("w1", "w2")):
        await bench.worker(worker, "fn:default")
        await bench.call("claim_many", NOW + at, worker, "c", 1, 1, "fn", "default", 1)
    await bench.queued(fn="app.f")
    state = await bench.state()
    assert state["idle:fn:default"] == {"w1": NOW}
    assert state["bell:w2"] == ["1"] and "bell:w1" not in state


async def test_a_paused_queue_takes_it_and_rings_nobody(bench: Bench) -> None:
    await bench.worker()
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    await bench.call("queue_pause", NOW, "default", "me", "")
    await bench.draft()
    await bench.check(*call(), answer=ANSWER, changed=queued())


async def test_an_unknown_queue_is_refused_or_made(bench: Bench) -> None:
    await bench.draft()
    await bench.refuse(*call("GPU queue"), answer=["no_queue"])
    await bench.refuse(*call(""), answer=["no_queue"])
    made = event("queue.created", "", queue="gpu-queue")
    expected = queued(queue="gpu-queue") | {
        "meta": {"slug:gpu-queue": "1"},
        "queues": {"GPU queue": "gpu-queue"},
        "q:gpu-queue": {TASK: score()},
        "queue:gpu-queue": {"name": "GPU queue", "created": str(LATER), "rev": "1", "place": "16"},
        "events": [made, event("task.queued", queue="gpu-queue", status="queued")],
    }
    del expected["q:default"], expected["queue:default"]
    arguments = call("GPU queue", flags="c", slug="gpu-queue")
    answer = ["queued", TASK, "gpu-queue", str(LATER)]
    await bench.check(*arguments, answer=answer, changed=expected)
    await bench.refuse(*arguments, answer=answer)


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse(*call(), answer=["missing"])
    await bench.refuse(*call(flags="c"), answer=["missing"])


@pytest.mark.parametrize("word", ["created", "queued", "in_progress", "completed"])
async def test_a_new_task_with_a_taken_id(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse(*call(flags="n", fields=NAME), answer=["exists", word])


@pytest.mark.parametrize("word", ["queued", "in_progress", "completed", "published", "closed"])
async def test_statuses_that_may_not_be_enqueued(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse(*call(), answer=["conflict", word])


@pytest.mark.parametrize("word", ["queued", "in_progress", "published"])
async def test_not_even_by_force(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse(*call(flags="f"), answer=["conflict", word])


@pytest.mark.parametrize(("word", "flags"), [("failed", ""), ("stopped", ""), ("completed", "f"), ("closed", "f")])
async def test_an_ended_task_waits_again_with_new_counts(bench: Bench, word: str, flags: str) -> None:
    await bench.in_status(word)
    await bench.command("HSET", f"t:{TASK}", "failures", "2", "losses", "1", "archived", "1", "exit_code", "3")
    await bench.command("ZADD", "dead", NOW, TASK)
    forgotten = dict.fromkeys(("ended", "failures", "losses", "archived", "exit_code"), GONE)
    await bench.check(*call(flags=flags), answer=ANSWER, changed=queued(2, **forgotten) | {"dead": GONE})


async def test_a_completed_function_has_no_arguments_left(bench: Bench) -> None:
    await bench.call("finish", NOW, TASK, await bench.function(), "completed", "", "", "")
    for flags in ("", "f"):
        await bench.refuse(*call(flags=flags), answer=["no_args", "completed"])
    await bench.command("HSET", f"t:{TASK}", "args", "[]")
    assert (await bench.call(*call(flags="f")))[0] == "queued"


async def test_an_idempotency_key_answers_its_holder(bench: Bench) -> None:
    arguments = call(flags="n", unique="key", fields=NAME)
    await bench.check(*arguments, answer=ANSWER, changed=queued(**NAME, created=str(LATER)) | {"unique:key": TASK})
    left = await lifetimes(bench.storage)
    assert DAY - 60_000 < left["unique:key"] <= DAY
    await bench.refuse(*arguments, answer=ANSWER)
    second = list(call(flags="n", unique="key", request="other", fields=NAME))
    second[2] = "second"
    await bench.refuse(*second, answer=["duplicate", TASK, "default"])


async def test_a_deleted_task_holds_no_key(bench: Bench) -> None:
    await bench.call(*call(flags="n", unique="key", fields=NAME))
    await bench.call("delete", LATER, TASK, "1")
    second = list(call(flags="n", unique="key", request="other", fields=NAME))
    second[2] = "second"
    assert (await bench.call(*second))[:2] == ["queued", "second"]


async def test_a_priority_given_now_wins_and_one_not_given_stays(bench: Bench) -> None:
    await bench.draft(priority="7")
    await bench.call(*call())
    assert (await bench.state())["q:default"] == {TASK: score(1, 7)}
    await bench.call("dequeue", LATER, TASK)
    await bench.call(*call(priority="-3", request="again"))
    state = await bench.state()
    assert state["q:default"] == {TASK: score(2, -3)} and state[f"t:{TASK}"]["priority"] == "-3"


async def test_it_waits_for_its_parents(bench: Bench) -> None:
    await bench.call("create", NOW, "parent", "r", *flat(NAME))
    arguments = call(flags="n", fields=NAME | {"after": "parent", "after.rule": "all"})
    assert (await bench.call(*arguments))[:3] == ANSWER[:3]
    state = await bench.state()
    assert (state[f"t:{TASK}"]["waits"], state["after:parent"]) == ("1", {TASK: True})
    assert "q:default" not in state
    assert state["queue:default"]["held"] == "1"
    await bench.refuse(*arguments, answer=ANSWER)


@pytest.mark.parametrize(("rule", "ends"), [("all", "failed"), ("run", "queued")])
async def test_a_parent_that_was_stopped_decides_by_the_rule(bench: Bench, rule: str, ends: str) -> None:
    await bench.call("enqueue", NOW, "parent", "default", "", "", "", "r", "n", "default", "", DAY, *flat(NAME))
    fields = NAME | {"after": "parent", "after.rule": rule}
    await bench.call(*call(flags="n", fields=fields, unique="key"))
    await bench.call("stop", NOW, "parent", "")
    state = await bench.state()
    assert state[f"t:{TASK}"]["status"] == ends
    assert set(await lifetimes(bench.storage)) == {"unique:key"}  # a script task does not expire


async def test_an_unknown_parent_is_named(bench: Bench) -> None:
    arguments = call(flags="nc", fields=NAME | {"after": "nobody"})
    await bench.refuse(*arguments, answer=["no_parent", "nobody"])


async def test_a_key_without_a_lifetime_is_held_until_the_task_ends(bench: Bench) -> None:
    words = ("enqueue", LATER, TASK, "default", "", "", "", "request", "n", "default", "key", "")
    await bench.call(*words, *flat(NAME | {"unique": "key", "unique.mode": "done"}))
    assert (await bench.state())["unique:key"] == TASK
    await bench.call("stop", LATER, TASK, "")
    assert "unique:key" not in await bench.state()


async def test_a_key_needs_a_fair_queue_or_makes_one(bench: Bench) -> None:
    await bench.refuse(*call(flags="n", fields=NAME | {"fair": "k"}), answer=["not_fair", "default"])
    assert (await bench.call(*call("new", flags="nc", fields=NAME | {"fair": "k"})))[0] == "queued"
    state = await bench.state()
    assert state["queue:new"]["fair"] == "0"
    assert state["fair:new"]["k:k"].startswith("1 q/0=")
    # A draft takes its key along, which an ordinary queue passes over.
    await bench.call("dequeue", LATER, TASK)
    assert "k:k" not in (await bench.state())["fair:new"]
    assert (await bench.call(*call(request="other")))[0] == "queued"
    assert (await bench.state())["q:default"] == {TASK: score(1)}
