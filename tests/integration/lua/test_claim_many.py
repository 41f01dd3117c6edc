"""claim_many: a worker takes the next tasks of several queues in one step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import LABEL, LATER, NOW, TASK, WORKER, Bench, as_dict, event, lean, score, status
from tests.support.state import GONE


def call(
    count: int = 1, *turns: str | int, nonce: str = "n", number: int = 1, kinds: str = "fn", worker: str = WORKER
) -> tuple[Any, ...]:
    return ("claim_many", LATER, worker, nonce, count, number, kinds, *(turns or ("default", count)))


def numbered(nonce: str = "n", number: int = 1) -> dict[str, str]:
    return {"claim": str(number), "claim_nonce": nonce}


async def ids(bench: Bench, *arguments: Any, **named: Any) -> list[str]:
    answer = await bench.call(*call(*arguments, **named))
    return [entry[0] for entry in answer[1:]]


async def test_it_takes_the_first_ones(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    for id in ("a", "b", "c"):
        await bench.queued(id, fn="app.f")
    taken = {
        f"t:{id}": lean(status("in_progress"))
        | {
            "fence": "1.n",
            "holder": WORKER,
            "worker": LABEL,
            "stage": "claimed",
            "started": str(LATER),
        }
        for id in ("a", "b")
    }
    after = await bench.check(
        *call(2),
        answer=...,
        changed=taken
        | {
            "fn:default": {"a": GONE, "b": GONE},
            f"own:{WORKER}": {"a": f"1.n {score(1)}", "b": f"1.n {score(2)}"},
            f"worker:{WORKER}": numbered(),
            "queue:default": {"running": "2"},
            "events": [
                event("task.claimed", id, queue="default", worker=LABEL, status="in_progress") for id in ("a", "b")
            ],
        },
    )
    await bench.refuse(*call(2), answer=...)
    word, *entries = await bench.call(*call(2))
    assert word == "claimed"
    assert {id: (fence, as_dict(task)) for id, fence, task in entries} == {
        id: ("1.n", after[f"t:{id}"]) for id in ("a", "b")
    }


async def test_an_empty_one_parks_the_worker_in_every_lane(bench: Bench) -> None:
    await bench.worker()
    lanes = ("fn:default", "q:default", "fn:services", "q:services")
    await bench.check(
        *call(5, "default", 5, "services", 5, kinds="fn q"),
        answer=["empty"],
        changed={f"idle:{lane}": {WORKER: LATER} for lane in lanes} | {f"worker:{WORKER}": numbered()},
    )
    await bench.queued(fn="app.f")
    assert (await bench.state())[f"bell:{WORKER}"] == ["1"]


async def test_one_that_is_not_full_is_parked_one_that_is_full_is_not(bench: Bench) -> None:
    await bench.worker()
    await bench.queued(fn="app.f")
    assert await ids(bench, 2) == [TASK]
    assert (await bench.state())["idle:fn:default"] == {WORKER: LATER}
    await bench.queued("next", fn="app.f")
    assert await ids(bench, 1, nonce="n2", number=2) == ["next"]
    assert "idle:fn:default" not in await bench.state()


async def test_a_repeat_after_some_have_ended_answers_the_rest(bench: Bench) -> None:
    await bench.worker()
    for id in ("a", "b"):
        await bench.queued(id, fn="app.f")
    await bench.call(*call(2))
    await bench.call("finish", NOW, "a", "1.n", "completed", "", "", "")
    assert await ids(bench, 2) == ["b"]


async def test_a_number_that_was_passed_over_is_late(bench: Bench) -> None:
    await bench.worker()
    await bench.queued(fn="app.f")
    assert await bench.call(*call(1, nonce="second", number=2)) != ["empty"]
    await bench.refuse(*call(1, nonce="first", number=1), answer=["late"])
    await bench.refuse(*call(1, nonce="other", number=2), answer=["late"])


async def test_the_bell_is_handed_on_when_work_is_left(bench: Bench) -> None:
    for at, worker in enumerate(("w1", "w2")):
        await bench.worker(worker, "fn:default")
        await bench.call("claim_many", NOW + at, worker, "n", 1, 1, "fn", "default", 1)
    await bench.queued("a", fn="app.f")
    await bench.queued("b", fn="app.f")
    await bench.command("DEL", "bell:w1")
    await bench.command("ZADD", "idle:fn:default", NOW, "w1")
    assert await ids(bench, 1, worker="w2", nonce="n2", number=2) == ["a"]
    state = await bench.state()
    assert state["bell:w1"] == ["1"] and "idle:fn:default" not in state


async def queues(bench: Bench, **counts: int) -> None:
    """Tasks ``<queue><number>`` in queues of these names."""
    await bench.worker()
    for name, count in counts.items():
        await bench.call("queue_create", NOW, name, name, "[]")
        for number in range(1, count + 1):
            await bench.queued(f"{name}{number}", name, fn="app.f")


@pytest.mark.parametrize(
    ("count", "turns", "wanted"),
    [
        (5, ("x", 5, "y", 5), "x1 x2 x3 x4 y1"),
        (5, ("y", 5, "x", 5), "y1 y2 x1 x2 x3"),
        (9, ("x", 9, "y", 9), "x1 x2 x3 x4 y1 y2"),
        (5, ("x", 1, "y", 1), "x1 y1 x2 y2 x3"),
        (6, ("x", 2, "y", 1), "x1 x2 y1 x3 x4 y2"),
        (3, ("x", 1, "y", 5), "x1 y1 y2"),
        (2, ("nowhere", 2, "x", 2), "x1 x2"),
    ],
)
async def test_orders(bench: Bench, count: int, turns: tuple[str | int, ...], wanted: str) -> None:
    await queues(bench, x=4, y=2)
    assert await ids(bench, count, *turns) == wanted.split()


async def test_a_paused_queue_is_passed_over(bench: Bench) -> None:
    await queues(bench, x=2, y=2)
    await bench.call("queue_pause", NOW, "x", "me", "")
    assert await ids(bench, 3, "x", 3, "y", 3) == ["y1", "y2"]


async def test_priorities_over_all_lanes_of_a_queue(bench: Bench) -> None:
    await bench.worker()
    await bench.queued("script")
    await bench.queued("function", fn="app.f")
    await bench.queued("high", fn="app.f", priority="9")
    await bench.queued("named", fn="app.f", app="shop", priority="10")
    assert await ids(bench, 9, kinds="q fn fn.shop") == ["named", "high", "script", "function"]


async def test_only_lanes_that_it_can_run(bench: Bench) -> None:
    await bench.worker()
    await bench.queued("script")
    await bench.queued("named", fn="app.f", app="shop")
    await bench.queued("function", fn="app.f")
    assert await ids(bench, 9, kinds="fn") == ["function"]
    assert await ids(bench, 9, kinds="fn.shop", nonce="n2", number=2) == ["named"]


async def test_an_entry_without_a_task_is_dropped(bench: Bench) -> None:
    await bench.worker()
    await bench.command("ZADD", "fn:default", 1, "ghost")
    await bench.queued(fn="app.f")
    assert await ids(bench, 1) == [TASK]
    assert "fn:default" not in await bench.state()


async def test_what_falls_due_now_is_taken(bench: Bench) -> None:
    await bench.worker()
    await bench.queued(delay="5000", fn="app.f")
    assert await ids(bench, 1) == [TASK]


async def test_a_dead_worker_is_refused(bench: Bench) -> None:
    await bench.queued(fn="app.f")
    await bench.refuse(*call(), answer=["dead"])
