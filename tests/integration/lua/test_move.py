"""move: give a waiting task another place."""

from __future__ import annotations

import random
from typing import Any

import pytest

from clearq.storage import scripts
from tests.support.bench import LATER, NAME, NOW, TASK, WORKER, Bench, event, flat, score
from tests.support.state import GONE


def call(id: str, how: str, argument: str | int = "", *, queue: str = "default", request: str = "r") -> tuple[Any, ...]:
    return ("move", LATER, queue, id, how, argument, request)


async def five(bench: Bench, **fields: str) -> None:
    """Tasks a b c d e, in this order."""
    for id in "abcde":
        await bench.queued(id, **fields)


async def order(bench: Bench) -> str:
    state = await bench.state()
    scores = {id: place for key in ("q:default", "fn:default") for id, place in state.get(key, {}).items()}
    return "".join(sorted(scores, key=lambda id: scores[id]))


@pytest.mark.parametrize(
    ("id", "how", "argument", "wanted"),
    [
        ("c", "front", "", "cabde"),
        ("a", "front", "", "abcde"),
        ("b", "back", "", "acdeb"),
        ("e", "back", "", "abcde"),
        ("d", "before", "b", "adbce"),
        ("a", "before", "e", "bcdae"),
        ("d", "before", "a", "dabce"),
        ("a", "after", "c", "bcade"),
        ("e", "after", "a", "aebcd"),
        ("a", "after", "e", "bcdea"),
        ("d", "up", 1, "abdce"),
        ("d", "up", 3, "dabce"),
        ("d", "up", 99, "dabce"),
        ("b", "down", 1, "acbde"),
        ("b", "down", 3, "acdeb"),
        ("b", "down", 99, "acdeb"),
        ("b", "up", 0, "abcde"),
        ("d", "to", 0, "dabce"),
        ("d", "to", 1, "adbce"),
        ("b", "to", 3, "acdbe"),
        ("b", "to", 99, "acdeb"),
        ("b", "to", 1, "abcde"),
    ],
)
@pytest.mark.parametrize("mixed", [False, True])
async def test_every_way(bench: Bench, id: str, how: str, argument: str | int, wanted: str, mixed: bool) -> None:
    for each in "abcde":
        await bench.queued(each, **({"fn": "app.f"} if mixed and each in "bd" else {}))
    answer = await bench.call(*call(id, how, argument))
    assert await order(bench) == wanted
    assert answer == ["moved", str(wanted.index(id))]
    assert await bench.call("position", id) == ["waiting", "default", str(wanted.index(id))]
    await bench.refuse(*call(id, how, argument), answer=answer)


async def test_exactly_this_changes(bench: Bench) -> None:
    await five(bench)
    await bench.check(
        *call("c", "before", "b"),
        answer=["moved", "1"],
        changed={
            "t:c": {"moved": "r"},
            "q:default": {"c": score(1) + 8},
            "queue:default": {"rev": "2"},
            "events": [event("task.moved", "c", queue="default", status="queued")],
        },
    )


async def test_idle_agents_look_again_unless_paused(bench: Bench) -> None:
    await bench.worker()
    await five(bench)
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    await bench.call(*call("c", "front"))
    assert (await bench.state())[f"bell:{WORKER}"] == ["1"]
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    await bench.call("queue_pause", NOW, "default", "me", "")
    await bench.call(*call("d", "front", request="r2"))
    assert (await bench.state())[f"bell:{WORKER}"] == ["1"]


async def test_the_front_beats_every_priority_and_the_next_one_beats_it(bench: Bench) -> None:
    await five(bench)
    await bench.queued("high", priority="1000")
    for id in ("c", "e"):
        await bench.call(*call(id, "front"))
    await bench.queued("later", priority="1000")
    ids = await bench.command("ZRANGE", "q:default", 0, -1)
    assert ids == ["e", "c", "high", "later", "a", "b", "d"]


async def test_a_moved_task_joins_its_anchors_band(bench: Bench) -> None:
    await bench.queued("high", priority="5")
    await five(bench)
    await bench.call(*call("e", "after", "high"))
    await bench.queued("next", priority="5")
    assert await bench.command("ZRANGE", "q:default", 0, -1) == ["high", "e", "next", "a", "b", "c", "d"]
    await bench.call(*call("d", "before", "a", request="r2"))
    assert (await bench.state())["q:default"]["d"] // 2**42 == 1000


async def test_the_back_is_behind_the_last_of_all(bench: Bench) -> None:
    await five(bench)
    await bench.queued("low", priority="-5")
    assert await bench.call(*call("a", "back")) == ["moved", "5"]
    await bench.queued("normal")
    assert (await bench.command("ZRANGE", "q:default", 0, -1))[-2:] == ["low", "a"]


async def test_a_delayed_task_keeps_the_place_for_its_time(bench: Bench) -> None:
    await five(bench)
    await bench.queued(delay="60000")
    await bench.check(
        *call(TASK, "before", "b"),
        answer=["moved", ""],
        changed={
            f"t:{TASK}": {"moved": "r", "score": str(score(1) + 8)},
            "queue:default": {"rev": "2"},
            "events": [event("task.moved", queue="default", status="queued")],
        },
    )
    await bench.refuse(*call(TASK, "before", "b"), answer=["moved", ""])
    await bench.call("tick", NOW + 60_000, "timer")
    assert await bench.command("ZRANGE", "q:default", 0, 2) == ["a", TASK, "b"]


async def test_refusals(bench: Bench) -> None:
    await five(bench)
    await bench.queued("delayed", delay="60000")
    await bench.call("queue_create", NOW, "other", "other", "[]")
    await bench.queued("away", "other")
    await bench.running(TASK)
    await bench.refuse(*call("a", "front", queue="nowhere"), answer=["no_queue"])
    await bench.refuse(*call("nobody", "front"), answer=["missing"])
    await bench.refuse(*call("away", "front"), answer=["elsewhere", "queued", "other"])
    await bench.refuse(*call(TASK, "front"), answer=["elsewhere", "in_progress", "default"])
    for anchor in ("a", "away", "nobody", "delayed", ""):
        await bench.refuse(*call("a", "before", anchor), answer=["anchor"])
        await bench.refuse(*call("a", "after", anchor), answer=["anchor"])


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("anchor", ["front", "only", "middle"])
async def test_hundreds_of_moves_next_to_one_task(bench: Bench, how: str, anchor: str) -> None:
    """Room is made again and again, and the order is that of a list."""
    await five(bench)
    if anchor == "front":
        await bench.call(*call("a", "front"))
    elif anchor == "only":
        await bench.queued("x", priority="9")
    pivot = {"front": "a", "only": "x", "middle": "c"}[anchor]
    plain = await bench.command("ZRANGE", "q:default", 0, -1)
    moved = [f"m{i}" for i in range(700)]
    script, meta = scripts.load("enqueue"), bench.keys.meta
    await bench.storage.command("SCRIPT", "LOAD", script.source)
    made = [("EVALSHA", script.sha, 1, meta, NOW, id, "default", "", "", "", id, "n", "", "", "") for id in moved]
    await bench.storage.commands([(*words, *flat(NAME)) for words in made])
    script = scripts.load("move")
    await bench.storage.command("SCRIPT", "LOAD", script.source)
    answers = await bench.storage.commands(
        [("EVALSHA", script.sha, 1, meta, *call(id, how, pivot)[1:]) for id in moved]
    )
    assert {answer[0] for answer in answers} == {"moved"}
    plain += moved
    for id in moved:
        plain.remove(id)
        plain.insert(plain.index(pivot) + (how == "after"), id)
    assert await bench.command("ZRANGE", "q:default", 0, -1) == plain


async def test_against_a_plain_list(bench: Bench) -> None:
    """Random moves over two lanes, always the order of a list."""
    chance = random.Random(7)
    plain = [f"t{i}" for i in range(30)]
    for id in plain:
        await bench.queued(id, **({"fn": "app.f"} if chance.random() < 0.5 else {}))
    for step in range(300):
        id = chance.choice(plain)
        index = plain.index(id)
        rest = [other for other in plain if other != id]
        how = chance.choice(["front", "back", "up", "down", "to", "before", "after"])
        argument: str | int = chance.randrange(32)
        match how:
            case "front":
                index = 0
            case "back":
                index = len(rest)
            case "up":
                index = max(0, index - int(argument))
            case "down":
                index = min(len(rest), index + int(argument))
            case "to":
                index = min(len(rest), int(argument))
            case _:
                argument = chance.choice(rest)
                index = rest.index(argument) + (how == "after")
        rest.insert(index, id)
        plain = rest
        assert await bench.call(*call(id, how, argument, request=f"r{step}")) == ["moved", str(index)]
        if step % 20 == 0:
            state = await bench.state()
            scores = state["q:default"] | state["fn:default"]
            assert sorted(scores, key=lambda id: scores[id]) == plain
            assert len(set(scores.values())) == len(plain)


async def test_nothing_of_the_task_goes(bench: Bench) -> None:
    """A function moves in its own lane."""
    await bench.queued("a")
    await bench.queued("b", fn="app.f")
    await bench.call(*call("b", "front"))
    state = await bench.state()
    assert state["fn:default"] == {"b": -16} and state["q:default"] == {"a": score(1)}
    assert state["queue:default"]["front"] == "-16"
    assert state.get("delayed", GONE) is GONE
