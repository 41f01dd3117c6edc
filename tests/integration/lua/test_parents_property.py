"""Tasks that wait for others: whatever happens, each is in one place, listed rightly, and none is forgotten."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.lua.test_enqueue_many import one
from tests.integration.lua.test_limits_property import HOW, World, check, start
from tests.support.bench import Bench
from tests.support.state import forget

Step = tuple[Any, ...]

some_parents = st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True)
rules = st.sampled_from(["", "any", "run"])
children = st.tuples(st.just("child"), some_parents, rules, st.sampled_from([[], ["a:1"], ["a:1", "b:1"]]))
plain = st.tuples(st.just("enqueue"), st.just(["a:1"]), st.just(0), st.integers(1, 3), st.sampled_from(["", "700"]))
turns = st.tuples(st.just("turn"), st.integers(1, 4), st.lists(st.sampled_from(sorted(HOW)), max_size=4))
picks = st.tuples(st.sampled_from(["stop", "delete", "dequeue", "again"]), st.integers(1, 40))
steps = st.one_of(plain, children, children, turns, picks, st.just(("clear",)))


class Family(World):
    """A queue in which tasks wait for each other."""

    async def step(self, step: Step) -> None:
        match step:
            case ("child", numbers, rule, keys):
                await self.child([f"t{number}" for number in numbers if number <= self.made], rule, keys)
            case ("again", number):
                call = ("enqueue", self.now, f"t{number}", "default", "", "", "", f"again{self.now}", "f", "", "", "")
                await self.bench.call(*call)
            case _:
                await super().step(step)

    async def child(self, parents: list[str], rule: str = "", keys: list[str] | None = None) -> str:
        """A task that waits for those of them that there are."""
        there = [id for id in parents if await self.bench.command("EXISTS", f"t:{id}")]
        self.made += 1
        extra = {"after": " ".join(there)} if there else {}
        extra |= {"after__rule": rule} if rule else {}
        extra |= {"limits": " ".join(keys)} if keys else {}
        id = f"t{self.made}"
        assert await self.bench.call("enqueue_many", self.now, *one(id, **extra)) == ["queued"]
        return id


async def family(bench: Bench, **sizes: int) -> Family:
    world = Family(bench)
    world.__dict__.update((await start(bench, **sizes)).__dict__)
    return world


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=20, max_size=45))
async def test_nobody_is_lost_on_the_way(bench: Bench, done: list[Step]) -> None:
    await forget(bench.storage)
    world = await family(bench, a=1, b=2)
    for step in done:
        world.now += 50
        await world.step(step)
        await check(bench)
    state = await world.drain()
    for id in state.get("waits:default", {}):
        parents = [key[6:] for key in state if key.startswith("after:") and id in state[key]]
        statuses = {state[f"t:{parent}"].get("status", "queued") for parent in parents}
        assert statuses <= {"created", "queued"}, f"{id} waits for {parents}, which are {statuses}"


async def test_a_clear_takes_those_that_wait_and_the_queue_can_go(bench: Bench) -> None:
    world = await family(bench, a=1)
    for _ in range(300):
        await bench.call("enqueue_many", world.now, *one(f"p{_}"), *one(f"c{_}", after=f"p{_}"))
    answer, taken = ["more"], 0
    while answer[0] == "more":
        answer = await bench.call("queue_clear", world.now, "default", "1" if not taken else "")
        taken = int(answer[2])
        await check(bench)
    assert taken == 600
    assert await bench.call("queue_delete", world.now, "default") == ["deleted", "default"]


async def test_a_child_put_back_waits_for_nobody_when_it_comes_again(bench: Bench) -> None:
    world = await family(bench)
    [parent] = await world.enqueue([])
    child = await world.child([parent])
    await bench.call("dequeue", world.now, child)
    await world.step(("again", 2))
    assert set((await check(bench))["fn:default"]) == {parent, child}
    await world.drain()


async def test_a_deleted_parent_gives_its_children_what_their_rule_says(bench: Bench) -> None:
    world = await family(bench)
    [parent] = await world.enqueue([])
    fails, runs = await world.child([parent]), await world.child([parent], "run")
    await bench.call("delete", world.now, parent, "1")
    state = await check(bench)
    assert state[f"t:{fails}"]["status_reason"] == "a task it waits for was deleted"
    assert set(state["fn:default"]) == {runs}


async def test_a_draft_holds_no_unique_key_and_is_not_kept_for_ever(bench: Bench) -> None:
    key = {"unique": "nightly", "unique__mode": "done"}
    for verb, extra in (("dequeue", ""), ("queue_clear", "1"), ("delete", "1")):
        assert await bench.call("enqueue_many", 1_000_000, *one(verb, **key)) == ["queued"]
        await bench.call(verb, 2_000_000, "default" if verb == "queue_clear" else verb, extra)
        assert "unique:nightly" not in await bench.state()
    assert 0 < await bench.command("PTTL", "t:dequeue") <= 604_800_000
    assert 0 < await bench.command("PTTL", "t:queue_clear") <= 604_800_000


async def test_a_draft_stays_as_long_as_somebody_waits_for_it(bench: Bench) -> None:
    world = await family(bench, a=1)
    await bench.call("enqueue_many", world.now, *one("p"), *one("x", after="p"), *one("y", after="p"))
    await bench.call("dequeue", world.now, "p")
    await bench.call("stop", world.now, "x", "")
    assert await bench.command("PTTL", "t:p") == -1
    await bench.call("dequeue", world.now, "y")
    assert await bench.command("PTTL", "t:p") > 0
    assert not [key for key in await bench.state() if key.startswith("after:")]
