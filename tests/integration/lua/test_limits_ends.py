"""Whichever way an attempt ends, its permits come back, and the next one of its keys gets them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.bench import LATER, NOW, QUEUE, SUPERVISOR, TASK, WORKER, Bench
from tests.support.state import State, misplaced

KEYS = "a b:1"
MUCH_LATER = LATER + 10**9

Way = Callable[[Bench], Awaitable[Any]]


def ended_by(script: str, *rest: str) -> Way:
    """A function's attempt, ended by a script that takes its fence."""

    async def way(bench: Bench) -> None:
        fence = await bench.function(limits=KEYS, x="1")
        await follow(bench)
        await bench.call(script, LATER, TASK, fence, *rest)

    return way


def ended_in_a_turn(how: str) -> Way:
    async def way(bench: Bench) -> None:
        fence = await bench.function(limits=KEYS, x="1")
        await follow(bench)
        end = (TASK, fence, how, "{}", "", "")
        answer = await bench.call("turn", LATER, WORKER, "n", 0, 9, "fn", 0, 0, 1, QUEUE, 1, *end)
        assert answer[1] == []

    return way


def stopped_before(way: Way) -> Way:
    """The same for one that was asked to stop."""

    async def stopped(bench: Bench) -> None:
        call = bench.call

        async def stopping(script: str, *arguments: str | int) -> Any:
            if script in ("release", "fail", "turn", "reclaim"):
                assert await call("stop", LATER, TASK, "") == ["stopping"]
            return await call(script, *arguments)

        bench.call = stopping  # type: ignore[method-assign]
        await way(bench)
        bench.call = call  # type: ignore[method-assign]

    return stopped


def worker_dies(**fields: str) -> Way:
    async def way(bench: Bench) -> None:
        await bench.function(limits=KEYS, x="1", **fields)
        await follow(bench)
        await bench.call("reclaim", LATER, WORKER, "", "silent")

    return way


def proven_dead(**fields: str) -> Way:
    """A script task whose supervisor's death is proven."""

    async def way(bench: Bench) -> None:
        fence = await bench.running(limits=KEYS, **fields)
        await follow(bench)
        await bench.call("lose", LATER, TASK, fence, "proof")

    return way


async def silent_for_too_long(bench: Bench) -> None:
    await bench.running(limits=KEYS)
    await follow(bench)
    await bench.call("reclaim", LATER, SUPERVISOR, "", "silent")
    state = await bench.state()
    assert state[f"permits:{QUEUE}"] == {"a": "1", "b:1": "1"}, "a lost one may still run: it keeps its permits"
    await bench.call("tick", MUCH_LATER, "timer")


async def lost_and_ended_after_all(bench: Bench) -> None:
    fence = await bench.lost(limits=KEYS)
    await follow(bench)
    await bench.call("finish", LATER, TASK, fence, "completed", "", "", "")


async def follow(bench: Bench) -> None:
    """Another one with the same keys, which is held."""
    await bench.queued("next", limits=KEYS, fn="app.work", x="1")
    assert "next" in (await bench.state())[f"limit.held:{QUEUE}:a"]


WAYS: dict[str, Way] = {
    "completes": ended_by("finish", "completed", "", "", ""),
    "ends as failed": ended_by("finish", "failed", "", "", ""),
    "ends as stopped": ended_by("finish", "stopped", "", "", ""),
    "fails": ended_by("fail", "", "", "", "0"),
    "is handed back": ended_by("release", "", ""),
    "is handed back for later": ended_by("release", "", "5000"),
    "is stopped and handed back": stopped_before(ended_by("release", "", "")),
    "is stopped and fails": stopped_before(ended_by("fail", "", "", "", "0")),
    **{f"in a turn: {how}": ended_in_a_turn(how) for how in ("complete", "retry", "fail", "stop", "release")},
    "in a turn: stopped": stopped_before(ended_in_a_turn("release")),
    "its worker dies": worker_dies(),
    "its worker dies too often": worker_dies(limits__losses="0"),
    "its worker dies and it was to stop": stopped_before(worker_dies()),
    "its supervisor is proven dead": proven_dead(),
    "its supervisor dies too often": proven_dead(limits__losses="0"),
    "it is silent for too long": silent_for_too_long,
    "it was lost and completes": lost_and_ended_after_all,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_permits_come_back(bench: Bench, way: Way) -> None:
    await bench.call("queue_create", NOW, QUEUE, QUEUE, "[]")
    for name in "ab":
        await bench.call("queue_limit", NOW, QUEUE, name, 1, "")
    await way(bench)
    state = await bench.state()
    assert misplaced(state) == []
    in_lane = ids_in(state, "q:", "fn:")
    assert len(in_lane) == 1, "one of the two has the permits now"
    assert state[f"permits:{QUEUE}"] == {"a": "1", "b:1": "1"}
    held = {id for id in (TASK, "next") if "held" in state[f"t:{id}"]}
    assert (ids_in(state, "limit.held:"), held & in_lane) == (held, set())


def ids_in(state: State, *prefixes: str) -> set[str]:
    return {id for key in state if key.startswith(prefixes) for id in state[key]}
