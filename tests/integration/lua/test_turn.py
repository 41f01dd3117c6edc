"""turn: a function worker reports what ended and takes what is next, in one step."""

from __future__ import annotations

from typing import Any

import pytest

from clearq.models.task import NOT_COUNTED
from tests.integration.lua.test_enqueue_many import one
from tests.support.bench import LATER, NOW, WORKER, Bench, score
from tests.support.state import GONE, lifetimes


def call(
    count: int = 1, *ends: Any, nonce: str = "n", number: int = 1, at: int = LATER, room: int = 0, taken: int = 0
) -> tuple[Any, ...]:
    flat = [field for end in ends for field in end]
    return ("turn", at, WORKER, nonce, count, number, "fn", room, taken, 1, "default", max(count, 1), *flat)


def end(
    id: str, how: str = "complete", payload: str = "42", reason: str = "", number: str = "", fence: str = "1.n"
) -> list[str]:
    return [id, fence, how, payload, reason, number]


async def started(bench: Bench, *ids: str, **extra: str) -> None:
    """Functions that the worker runs."""
    await bench.worker(lanes="fn:default")
    for id in ids:
        await bench.call("enqueue_many", NOW, *one(id, **extra))
    word, _, claims, *_ = await bench.call(*call(len(ids), at=NOW))
    assert word == "claimed"
    assert [claim[0] for claim in claims] == list(ids)


async def test_it_takes_the_first_ones(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    for id in ("a", "b", "c"):
        await bench.call("enqueue_many", NOW, *one(id))
    claims = [[id, "1.n", "app.f", "[1]", str(NOW), "0", "0", ""] for id in ("a", "b")]
    await bench.check(
        *call(2),
        answer=["claimed", [], claims, ["default", 2]],
        changed={
            **{f"t:{id}": {"status": "in_progress", "fence": "1.n", "holder": WORKER} for id in ("a", "b")},
            "fn:default": {"a": GONE, "b": GONE},
            f"own:{WORKER}": {"a": f"1.n {score(1)}", "b": f"1.n {score(2)}"},
            f"worker:{WORKER}": {"claim": "1", "claim_nonce": "n", "taken": "0", "room": "0"},
            "queue:default": {"running": "2"},
        },
    )
    word, _, again, origins = await bench.call(*call(2))
    assert (word, sorted(again)) == ("claimed", claims)
    assert origins == ["default", 1, "default", 1]


async def test_a_claim_that_was_overtaken_by_its_repeat_takes_nothing(bench: Bench) -> None:
    await started(bench, "a")
    await bench.call("enqueue_many", NOW, *one("b"))
    answer = await bench.call(*call(1, nonce="late", number=1))
    assert answer == ["late", [], []]


async def test_nothing_to_take_parks_the_worker(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    await bench.check(
        *call(5),
        answer=["empty", [], []],
        changed={
            "idle:fn:default": {WORKER: LATER},
            f"worker:{WORKER}": {"claim": "1", "claim_nonce": "n", "taken": "0", "room": "0"},
        },
    )


async def test_what_is_on_its_way_to_a_worker_takes_its_room(bench: Bench) -> None:
    """It can begin 3. One is given to it: its next turn, which knows nothing of that, claims two and parks it not."""
    await bench.worker(lanes="fn:default")
    await bench.call(*call(3, room=3))
    await bench.call("enqueue_many", NOW, *one("given"))
    await bench.call("enqueue_many", NOW, *one("a"), *one("b"), *one("c"))
    word, _, claims, _ = await bench.call(*call(3, nonce="n2", number=2, room=3))
    assert (word, [claim[0] for claim in claims]) == ("claimed", ["a", "b"])
    state = await bench.state()
    assert state[f"worker:{WORKER}"]["room"] == "1"
    assert "idle:fn:default" not in state


async def test_it_says_when_something_is_on_its_way(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    await bench.call(*call(3, room=3))
    await bench.call("enqueue_many", NOW, *one("given"))
    assert await bench.call(*call(3, nonce="n2", number=2, room=3)) == ["given", [], []]
    assert await bench.call(*call(3, nonce="n3", number=3, room=2, taken=1)) == ["empty", [], []]
    assert (await bench.state())[f"worker:{WORKER}"]["room"] == "3"


async def test_a_result_is_kept_for_its_time(bench: Bench) -> None:
    await started(bench, "a", "b")
    await bench.call("wait_many", "client", "a")
    turn = call(0, end("a"), end("b", number="120000"), nonce="n2", number=2)
    answer = await bench.call(*turn)
    assert answer == ["empty", [], []]
    state = await bench.state()
    assert state["t:a"]["result"] == "42"
    assert state["t:a"]["status"] == "completed"
    assert "args" not in state["t:a"]
    assert f"own:{WORKER}" not in state
    assert state["queue:default"]["running"] == "0"
    assert state["bell:client"] == ["a completed 42"]
    assert state["events.fn"][-1] == {"at": str(LATER), "name": "ended", "app.f complete": "2"}
    lives = await lifetimes(bench.storage)
    assert lives["t:a"] > 3_000_000 > 120_000 >= lives["t:b"] > 60_000
    await bench.refuse(*turn[:3], "n2", *turn[4:], answer=["empty", [], []])


async def test_a_bell_tells_few_small_results(bench: Bench) -> None:
    """All that it drops must be seen by a look that comes later."""
    ids = [f"t{number}" for number in range(9)]
    await started(bench, *ids, "large", "x", "y", "z")
    await bench.call("wait_many", "client", *ids, "large", "x", "y", "z")
    for number, id in enumerate(ids):
        await bench.call(*call(0, end(id, payload=str(number)), nonce=f"n{number + 2}", number=number + 2))
    told = [f"{id} completed {number}" for number, id in enumerate(ids[:4])]
    assert (await bench.state())["bell:client"] == [*told, "1", "1", "1", "1"]
    await bench.command("DEL", "bell:client")
    await bench.call(*call(0, end("large", payload="x" * 5000), nonce="m", number=20))
    await bench.call(*call(0, end("x"), end("y", "fail", "why"), nonce="o", number=21))
    assert (await bench.state())["bell:client"] == ["1", "x completed 42", "1"]


async def test_a_retry_waits_its_pause_at_its_place(bench: Bench) -> None:
    await started(bench, "a")
    await bench.call(*call(0, end("a", "retry", '{"type":"E"}', "boom", "1500"), nonce="n2", number=2))
    state = await bench.state()
    assert state["delayed"] == {"a": LATER + 1500}
    assert (state["t:a"]["failures"], state["t:a"]["status_reason"]) == ("1", "boom")
    assert "status" not in state["t:a"]
    word, _, claims, _ = await bench.call(*call(1, nonce="n3", number=3, at=LATER + 1500))
    assert word == "claimed"
    assert claims[0][8] == str(LATER + 1500), "it was ready when its pause was over"
    assert claims[0][:2] == ["a", "2.n3"]
    assert claims[0][5] == "1"


async def test_released_ones_keep_their_place(bench: Bench) -> None:
    await started(bench, "a", "b")
    await bench.call("enqueue_many", NOW, *one("c"))
    await bench.call(*call(0, end("b", "release", ""), end("a", "release", ""), nonce="n2", number=2))
    assert (await bench.state())["fn:default"] == {"a": score(1), "b": score(2), "c": score(3)}
    assert "failures" not in (await bench.state())["t:a"]


async def test_what_an_earlier_attempt_said_is_forgotten(bench: Bench) -> None:
    await started(bench, "a")
    fence = "1.n"
    for number, how, reason, counts in ((2, "retry", "boom", ("1", None)), (4, "release", "snoozed", ("1", "1"))):
        await bench.call(*call(0, end("a", how, "", reason, fence=fence), nonce="x", number=number))
        task = (await bench.state())["t:a"]
        assert (task["failures"], task.get("releases"), task["status_reason"]) == (*counts, reason)
        assert task.get("status_message") == (NOT_COUNTED if how == "release" else None)
        word, _, claims, *_ = await bench.call(*call(1, nonce=f"n{number}", number=number + 1))
        assert word == "claimed"
        fence = claims[0][1]
    await bench.call(*call(0, end("a", fence=fence), nonce="x", number=20))
    task = (await bench.state())["t:a"]
    assert task["status"] == "completed" and not {"status_reason", "status_message"} & task.keys()


async def test_one_that_was_stopped_and_enqueued_again_is_not_asked_to_end_any_more(bench: Bench) -> None:
    await started(bench, "a")
    await bench.call("stop", NOW, "a", "enough")
    await bench.call(*call(0, end("a", "stop", "{}", ""), nonce="n2", number=2))
    task = (await bench.state())["t:a"]
    assert (task["status_reason"], "status_message" in task) == ("enough", False)
    await bench.call("enqueue", NOW, "a", "default", "", "", "", "again", "", "", "", "")
    assert not {"stop", "status_reason", "error"} & (await bench.state())["t:a"].keys()
    assert (await bench.call(*call(1, nonce="n3", number=3)))[0] == "claimed"
    await bench.call("reclaim", LATER, WORKER, "", "silent")
    assert (await bench.state())["t:a"]["status"] == "queued"


@pytest.mark.parametrize(("how", "status"), [("fail", "failed"), ("stop", "stopped")])
async def test_other_ends(bench: Bench, how: str, status: str) -> None:
    await started(bench, "a")
    await bench.call(*call(0, end("a", how, '{"type":"E"}', "why"), nonce="n2", number=2))
    state = await bench.state()
    assert (state["t:a"]["status"], state["t:a"]["error"], state["t:a"]["status_reason"]) == (
        status,
        '{"type":"E"}',
        "why",
    )
    assert state["t:a"]["args"] == "[1]"
    assert ("dead" in state, "failures" in state["t:a"]) == (how == "fail", how == "fail")
    assert state["events"][-1]["name"] == f"task.{status}"


async def test_a_stop_beats_a_retry(bench: Bench) -> None:
    await started(bench, "a")
    assert await bench.call("stop", NOW, "a", "enough") == ["stopping"]
    await bench.call(*call(0, end("a", "retry", "{}", "boom", "10"), nonce="n2", number=2))
    task = (await bench.state())["t:a"]
    assert (task["status"], task["status_reason"]) == ("stopped", "enough")


async def test_a_late_end_is_refused(bench: Bench) -> None:
    await started(bench, "a")
    await bench.call("reclaim", LATER, WORKER, "", "silent")
    await bench.worker(lanes="fn:default")
    word, _, claims, *_ = await bench.call(*call(1, nonce="n9", number=9))
    assert claims[0][:2] == ["a", "2.n9"]
    answer = await bench.call(*call(0, end("a", fence="1.n"), nonce="n10", number=10))
    assert answer[:2] == ["empty", ["a"]]
    assert (await bench.state())["t:a"]["status"] == "in_progress"
    assert word == "claimed"


async def test_a_dead_holder_is_told_so(bench: Bench) -> None:
    await started(bench, "a")
    await bench.call("reclaim", LATER, WORKER, "", "silent")
    await bench.refuse(*call(1, end("a"), nonce="n2", number=2), answer=["dead", []])
    assert (await bench.state())["fn:default"] == {"a": score(1)}


async def test_an_end_lets_dependants_go_on(bench: Bench) -> None:
    await started(bench, "a")
    await bench.call("enqueue_many", NOW, *one("child", after="a"), *one("sad", after="a", after__rule="all"))
    word, _, claims, *_ = await bench.call(*call(5, end("a"), nonce="n2", number=2))
    assert word == "claimed"
    assert sorted(claim[0] for claim in claims) == ["child", "sad"]
    assert (await bench.state())["queue:default"]["held"] == "0"


async def test_a_failed_parent_fails_its_dependants(bench: Bench) -> None:
    await started(bench, "a")
    await bench.call("enqueue_many", NOW, *one("child", after="a"), *one("anyway", after="a", after__rule="run"))
    await bench.call("enqueue_many", NOW, *one("grandchild", after="child"))
    await bench.call(*call(0, end("a", "fail", "{}", "boom"), nonce="n2", number=2))
    await bench.call("tick", LATER, "timer")
    state = await bench.state()
    assert state["t:child"]["status"] == state["t:grandchild"]["status"] == "failed"
    assert state["fn:default"] == {"anyway": score(2)}


async def test_a_worker_that_stays_full_hands_the_bell_on(bench: Bench) -> None:
    await bench.worker("other", "fn:default")
    await bench.call("turn", NOW, "other", "n", 1, 1, "fn", 0, 0, 1, "default", 1)
    await bench.worker(lanes="fn:default")
    await bench.call("enqueue_many", NOW, *one("a"), *one("b"), *one("c"))
    await bench.command("DEL", "bell:other")
    await bench.command("ZADD", "idle:fn:default", NOW, "other")
    await bench.call(*call(1))
    assert (await bench.state())["bell:other"] == ["1"]


async def test_each_claim_says_its_queue_and_since_when_it_was_ready(bench: Bench) -> None:
    await bench.worker(lanes="fn:default fn:services")
    await bench.call("enqueue_many", NOW, *one("plain"))
    await bench.call("enqueue_many", NOW, *one("later", delay=3000))
    await bench.call("enqueue_many", NOW, *one("other", queue="services"))
    *_, claims, origins = await bench.call("turn", LATER, WORKER, "n", 9, 1, "fn", 0, 0, 2, "default", 9, "services", 9)
    assert [(claim[0], claim[8:]) for claim in claims] == [("plain", []), ("later", [str(NOW + 3000)]), ("other", [])]
    assert origins == ["default", 2, "services", 1]
    *_, claims, _ = await bench.call(*call(1, end("later", "retry", "{}", "x", "0"), nonce="n2", number=2))
    assert claims[0][8] == str(LATER), "a retry without a pause is ready at once"
