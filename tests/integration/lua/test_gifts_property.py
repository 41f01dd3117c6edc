"""Functions given to workers that wait: whatever is lost, hangs or dies, each has one place and comes to its end.

The workers here keep the protocol with the real :class:`~clearq.worker.gifts.Gifts`; lines between them and the
server are cut, words of gifts are lost or come late, processes hang and their parents take back what they were given.
"""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clearq.engine.calls import Gift, Given, Held, unwrapped
from clearq.worker.gifts import Gifts
from tests.integration.lua.test_enqueue_many import one
from tests.support.bench import NOW, Bench
from tests.support.long import examples
from tests.support.state import State, forget, misplaced

WORKERS = 2
QUEUES = ("default", "second")
Step = tuple[Any, ...]

who = st.integers(0, WORKERS - 1)
enqueues = st.tuples(st.just("enqueue"), st.integers(1, 2), st.sampled_from(QUEUES))
hows = st.sampled_from(["complete", "complete", "release", "retry"])
turns = st.tuples(st.just("turn"), who, st.sampled_from([0, 9]), hows)
words = st.tuples(st.sampled_from(["send", "send", "hear", "lose", "find"]), who)
others = st.tuples(st.sampled_from(["withdraw", "withdraw", "withdraw late", "beat", "die"]), who)
steps = st.one_of(enqueues, turns, turns, words, words, others)


class Worker:
    """One process and its parent."""

    def __init__(self, world: World, id: str, concurrency: int) -> None:
        self.world, self.id, self.concurrency = world, id, concurrency
        self.page = SimpleNamespace(taken=0, withdrawn=0)
        functions: Any = self
        page: Any = self.page
        self.gifts = Gifts(functions, id, page, self.take, lambda: None)
        self.running: dict[str, str] = {}
        self.ends: list[str] = []
        self.line: deque[Gift] = deque()  #: words that the server has sent and the process has not read
        self.number = 0

    def take(self, given: Given) -> None:
        self.running[given.id] = given.fence
        self.world.began(given.id, given.fence)

    async def held(self, holder: str) -> Held:
        """As the engine's."""
        count, flat = await self.world.bench.call("strays", holder)
        return Held(int(count), {id: entry.split(" ")[0] for id, entry in zip(flat[::2], flat[1::2], strict=True)})

    async def turn(self, ends: int, how: str) -> int:
        """End the first ones, claim what can begin; how many were claimed."""
        if self.gifts.astray:
            await self.find()
        flat, self.ends = self.ends, []
        for id, fence in list(self.running.items())[:ends]:
            del self.running[id]
            flat += [id, fence, how, "{}", "", "0" if how == "retry" else ""]
        self.number += 1
        room = self.concurrency - len(self.running)
        answer = await self.world.bench.call(
            *("turn", self.world.now, self.id, f"{self.id}n{self.number}", room, self.number),
            *("fn", room, self.gifts.taken, 2, "default", max(room, 1), "second", max(room, 1), *flat),
        )
        assert answer[1] == [], "an end was refused"
        claims = answer[2] if len(answer) > 2 else []
        for claim in claims:
            self.running[claim[0]] = claim[1]
            self.world.began(claim[0], claim[1])
        return len(claims)

    async def find(self) -> None:
        held = await self.gifts.find()
        for id, fence in held.items():
            if id not in self.running:
                self.ends += [id, fence, "release", "", "", ""]

    async def send(self) -> None:
        """The server answers the wait for a word."""
        if (word := await self.world.bench.command("LPOP", f"given:{self.id}")) is not None:
            self.line.append(unwrapped(word.encode()))

    def hear(self) -> None:
        if self.line:
            self.gifts.hear(self.line.popleft())

    async def withdraw(self, between: bool) -> None:
        """The parent takes back; ``between`` the process wakes up in the middle of it."""
        call, now = self.world.bench.call, self.world.now
        last = int((await call("withdraw", now, self.id, 0, 0))[0])
        if between:
            self.hear()
        self.page.withdrawn = last
        taken = self.page.taken
        if taken < last:
            await call("withdraw", now, self.id, taken, last)


class World:
    """A queue, its workers, and what must hold of all."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.now, self.made, self.lives = bench, NOW, 0, 0
        self.workers: list[Worker] = []
        self.begun: set[tuple[str, str]] = set()

    async def join(self, concurrency: int) -> Worker:
        self.lives += 1
        worker = Worker(self, f"w{self.lives}", concurrency)
        await self.bench.worker(worker.id, "fn:default fn:second")
        return worker

    def began(self, id: str, fence: str) -> None:
        assert (id, fence) not in self.begun, f"{id} began twice under {fence}"
        self.begun.add((id, fence))

    async def step(self, step: Step) -> None:
        self.now += 100
        match step:
            case ("enqueue", count, queue):
                flat = []
                for _ in range(count):
                    self.made += 1
                    flat += one(f"t{self.made}", queue, priority=str(self.made % 3 or ""))
                assert await self.bench.call("enqueue_many", self.now, *flat) == ["queued"] * count
            case ("turn", number, ends, how):
                await self.workers[number].turn(ends, how)
            case ("send", number):
                await self.workers[number].send()
            case ("hear", number):
                if not self.workers[number].line:
                    await self.workers[number].send()
                self.workers[number].hear()
            case ("lose", number):  # the line is cut: what was on it is gone, which the process sees
                worker = self.workers[number]
                await worker.send()
                worker.line.clear()
                worker.gifts.astray = True
            case ("find", number):
                await self.workers[number].find()
            case ("withdraw" | "withdraw late" as verb, number):
                await self.workers[number].withdraw(verb != "withdraw")
            case ("beat", number):
                worker = self.workers[number]
                worker.gifts.told(int((await self.bench.call("beat", self.now, worker.id, "", ""))[2]))
            case ("die", number):
                dead = self.workers[number]
                await self.bench.call("reclaim", self.now, dead.id, "", "killed")
                self.workers[number] = await self.join(dead.concurrency)

    async def check(self) -> State:
        state = await self.bench.state()
        assert misplaced(state) == []
        for worker in self.workers:
            assert len(worker.running) <= worker.concurrency, f"{worker.id} has more than it can run"
            for id, fence in worker.running.items():
                task = state[f"t:{id}"]
                assert (task["fence"], task.get("holder")) == (fence, worker.id), f"{id} runs, and is not {worker.id}'s"
        return state

    async def drain(self) -> None:
        for _ in range(200):
            self.now += 1000
            for worker in self.workers:
                for _ in range(5):
                    await worker.send()
                    worker.hear()
                await self.step(("beat", self.workers.index(worker)))
                await worker.turn(9, "complete")
            state = await self.check()
            tasks = [state[f"t:t{number}"] for number in range(1, self.made + 1)]
            if all(task.get("status") in ("completed", "failed") for task in tasks):
                failed = [task for task in tasks if task["status"] == "failed"]
                assert all(task["losses"] == "4" for task in failed), "only a worker's death can take a task's last try"
                return
        raise AssertionError(f"something is left: {state}")


@pytest.mark.timeout(1200)
@settings(
    max_examples=examples(60, 1500),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes
)
@given(st.lists(steps, min_size=20, max_size=60), st.lists(st.integers(1, 3), min_size=WORKERS, max_size=WORKERS))
async def test_nothing_that_is_given_is_lost_or_doubled(bench: Bench, done: list[Step], sizes: list[int]) -> None:
    await forget(bench.storage)
    world = World(bench)
    for queue in QUEUES:
        await bench.call("queue_create", NOW, queue, queue, "[]")
    world.workers = [await world.join(size) for size in sizes]
    for step in done:
        await world.step(step)
        await world.check()
    await world.drain()
    state = await bench.state()
    assert [state[f"queue:{queue}"].get("running", "0") for queue in QUEUES] == ["0", "0"]
