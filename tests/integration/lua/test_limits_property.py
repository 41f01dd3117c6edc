"""Limits by key: whatever happens, permits are those of the tasks in lanes and running, and nothing is forgotten."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.lua.test_enqueue_many import one
from tests.support.bench import NOW, WORKER, Bench
from tests.support.state import State, forget, miscounted, misplaced

KEYS = ["a:1", "a:2", "b:1", "c"]
Step = tuple[Any, ...]

some_keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True)
enqueues = st.tuples(
    st.just("enqueue"), some_keys, st.integers(-1, 1), st.integers(1, 8), st.sampled_from(["", "", "700"])
)
turns = st.tuples(st.just("turn"), st.integers(1, 6), st.lists(st.sampled_from("crfsl"), max_size=6))
picks = st.tuples(st.sampled_from(["stop", "delete", "dequeue", "move"]), st.integers(1, 60))
sizes = st.tuples(st.just("size"), st.sampled_from("abc"), st.sampled_from([1, 2, 4, ""]), st.sampled_from(["", "900"]))
rests = st.sampled_from([("clear",), ("reclaim",), ("reclaim",)])
steps = st.one_of(enqueues, enqueues, turns, turns, picks, sizes, rests)
HOW = {"c": "complete", "r": "retry", "f": "fail", "s": "stop", "l": "release"}


class World:
    """A queue under random steps."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.now, self.number, self.made = bench, NOW, 0, 0
        self.running: dict[str, str] = {}

    async def turn(self, count: int, hows: str | list[str] = "") -> list[str]:
        """Ends of the first running ones, then a claim; the claimed ids."""
        self.number += 1
        flat: list[Any] = []
        for how, (id, fence) in zip(hows, list(self.running.items()), strict=False):
            flat += [id, fence, HOW[how], "{}", "", "500" if how == "r" else ""]
            del self.running[id]
        nonce = f"n{self.number}"
        answer = await self.bench.call(
            "turn", self.now, WORKER, nonce, count, self.number, "fn", 0, 0, 1, "default", max(count, 1), *flat
        )
        assert answer[1] == []
        for claim in answer[2] if len(answer) > 2 else []:
            self.running[claim[0]] = claim[1]
        return [claim[0] for claim in (answer[2] if len(answer) > 2 else [])]

    async def enqueue(self, keys: list[str], count: int = 1, priority: int = 0, delay: str = "") -> list[str]:
        """New tasks with these keys."""
        flat, ids = [], []
        for _ in range(count):
            self.made += 1
            ids.append(f"t{self.made}")
            flat += one(ids[-1], priority=str(priority or ""), delay=delay, limits=" ".join(keys))
        assert await self.bench.call("enqueue_many", self.now, *flat) == ["queued"] * count
        return ids

    async def step(self, step: Step) -> None:
        """One random step."""
        self.now += 100
        match step:
            case ("enqueue", keys, priority, count, delay):
                await self.enqueue(keys, count, priority, delay)
            case ("turn", count, hows):
                await self.turn(count, hows)
            case ("move", index):
                where = ["front", "back", "up", "down"][index % 4]
                await self.bench.call("move", self.now, "default", f"t{index}", where, 1, f"m{self.now}")
            case ("delete", index):
                await self.bench.call("delete", self.now, f"t{index}", "1")
            case ("stop" | "dequeue" as verb, index):
                await self.bench.call(verb, self.now, f"t{index}", "")
            case ("size", name, size, period):
                await self.size(name, size, period if size else "")
            case ("clear",):
                await self.bench.call("queue_clear", self.now, "default", "1")
            case ("reclaim",):
                await self.bench.call("reclaim", self.now, WORKER, "", "silent")
                self.running.clear()
                await self.bench.worker(lanes="fn:default")

    async def size(self, name: str, size: int | str, period: str = "") -> None:
        """Set a limit's size."""
        assert (await self.bench.call("queue_limit", self.now, "default", name, size, period))[:2] == ["set", "default"]

    async def drain(self, most: int = 400) -> State:
        """Work until nothing is left."""
        for _ in range(most):
            self.now += 1000
            claimed = await self.turn(50, "c" * len(self.running))
            if not claimed and not self.running:
                state = await self.bench.state()
                if not any(key.startswith(("limit.", "fn:", "todo", "timers")) or key == "delayed" for key in state):
                    return state
        raise AssertionError(f"something is left: {await self.bench.state()}")


async def start(bench: Bench, **sizes: int) -> World:
    world = World(bench)
    await bench.worker(lanes="fn:default")
    await bench.call("queue_create", NOW, "default", "default", "[]")
    for name, size in sizes.items():
        await world.size(name, size)
    return world


async def check(bench: Bench) -> State:
    state = await bench.state()
    assert misplaced(state) == []
    return state


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=20, max_size=50))
async def test_no_permit_is_lost_and_no_task_forgotten(bench: Bench, done: list[Step]) -> None:
    await forget(bench.storage)
    world = await start(bench, a=1, b=2, c=3)
    state = await bench.state()
    for step in done:
        before = state
        await world.step(step)
        state = await check(bench)
        if step[0] != "size":
            await never_over(before, state)
    state = await world.drain()
    assert not any(key.startswith(("permits:", "limit.")) for key in state)
    assert state["queue:default"].get("held", "0") == "0"
    assert state["queue:default"].get("running", "0") == "0"


async def never_over(before: State, after: State) -> None:
    """A key has more permits taken than its size only if it had as many before: its size was lowered."""
    for key, count in after.get("permits:default", {}).items():
        size = after["queue:default"].get(f"limit:{key.partition(':')[0]}")
        if size is not None:
            most = max(int(size.partition("/")[0]), int(before.get("permits:default", {}).get(key, "0")))
            assert int(count) <= most, key


async def test_more_than_one_call_may_try(bench: Bench) -> None:
    """200 keys with one successor each, all ended in one batch."""
    world = await start(bench, k=1)
    for number in range(200):
        await world.enqueue([f"k:{number}"], 2)
    assert len(await world.turn(300)) == 200
    await world.turn(0, "c" * 200)
    state = await check(bench)
    assert len(state["todo"]) == 136
    assert miscounted(state) == []
    state = await world.drain()
    assert not any("permits" in key for key in state)


async def test_a_full_key_blocks_nobody_behind_it(bench: Bench) -> None:
    world = await start(bench, k=1)
    first = await world.enqueue(["k:1"], 100)
    others = await world.enqueue(["k:2"]) + await world.enqueue(["free"], 3)
    assert sorted(await world.turn(50)) == sorted([first[0], *others])


async def test_several_keys_do_not_starve(bench: Bench) -> None:
    """Both keys are kept busy by tasks that need only one."""
    world = await start(bench, a=1, b=1)
    await world.enqueue(["a"], 2)
    await world.enqueue(["b"], 2)
    await world.turn(2)
    [both] = await world.enqueue(["a", "b"])
    for started in range(40):
        name = ["a", "b"][started % 2]
        await world.enqueue([name], 2)
        # One of the two ends; the other key stays taken.
        for id in list(world.running):
            if (await bench.command("HGET", f"t:{id}", "limits")) == name:
                world.running = {id: world.running.pop(id), **world.running}
                await world.turn(2, "c")
                break
        if both in world.running:
            break
        await check(bench)
    else:
        raise AssertionError("it never started")
    await world.drain()


async def test_a_better_one_takes_the_place_of_a_worse(bench: Bench) -> None:
    world = await start(bench, a=1)
    [worse] = await world.enqueue(["a", "b"])
    [better] = await world.enqueue(["a"], priority=1)
    state = await check(bench)
    assert list(state["fn:default"]) == [better]
    assert list(state["limit.held:default:a"]) == [worse]
    assert state["permits:default"] == {"a": "1"}
    assert await world.turn(5) == [better]
    assert await world.turn(5, "c") == [worse]


async def test_a_rate_gives_its_permits_back_after_the_period(bench: Bench) -> None:
    world = await start(bench)
    await world.size("a", 2, "60000")
    ids = await world.enqueue(["a"], 5)
    assert await world.turn(5) == ids[:2]
    assert await world.turn(5, "cc") == []
    world.now += 59_999
    assert await world.turn(5) == []
    assert (await bench.call("tick", world.now, "timer"))[1] == str(NOW + 60_000)
    world.now += 1
    assert await world.turn(5) == ids[2:4]
    await check(bench)
    world.now += 30_000
    await world.turn(5, "rl")
    assert (await check(bench))["permits:default"] == {"a": "2"}
    await world.drain()


async def test_a_lost_worker_gives_its_permits_back(bench: Bench) -> None:
    world = await start(bench, a=1)
    ids = await world.enqueue(["a"], 3)
    assert await world.turn(5) == ids[:1]
    [better] = await world.enqueue(["a"], priority=1)
    await world.step(("reclaim",))
    state = await check(bench)
    # The better one got in first; the lost one waits at its old place, before those that came later.
    assert list(state["fn:default"]) == [better]
    assert list(state["limit.held:default:a"]) == ids
    await world.drain()
