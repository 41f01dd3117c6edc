"""The order of a queue against a plain list: enqueues of any priority, claims and moves, in any sequence."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clearq.engine import Engine
from clearq.models import Lane, Place, TaskSpec, WorkerInfo
from clearq.settings import Settings
from tests.support.long import examples
from tests.support.valkey import ValkeyProcess

FRONT = -1


@dataclass
class Entry:
    id: str
    band: int
    priority: int


class PlainList:
    """The rules of the order, said with a list. A moved task joins its anchor's band."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def ids(self) -> list[str]:
        return [entry.id for entry in self.entries]

    def enqueue(self, id: str, priority: int) -> None:
        band = 1000 - priority
        index = next((i for i, entry in enumerate(self.entries) if entry.band > band), len(self.entries))
        self.entries.insert(index, Entry(id, band, priority))

    def move(self, id: str, place: Place) -> None:
        index = self.ids().index(id)
        entry = self.entries.pop(index)
        rest = self.entries
        if place.front:
            target, entry.band = 0, FRONT
        elif place.back:
            target = len(rest)
            entry.band = max([1000 - entry.priority] + [other.band for other in rest[-1:]])
        elif place.before or place.after:
            anchor = self.ids().index(place.before or place.after or "")
            target, entry.band = anchor + (1 if place.after else 0), rest[anchor].band
        else:
            wanted = place.to
            if place.up is not None:
                wanted = index - place.up
            elif place.down is not None:
                wanted = index + place.down
            target = max(0, min(wanted or 0, len(rest)))
            if target < index:
                entry.band = rest[target].band
            elif target > index:
                entry.band = rest[target - 1].band
        rest.insert(target, entry)


def machine(url_settings: Settings) -> type[RuleBasedStateMachine]:
    class Order(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.model = PlainList()
            self.claimed: list[str] = []

        def do(self, coroutine):  # type: ignore[no-untyped-def]
            return self.runner.run(coroutine)

        @initialize()
        def connect(self) -> None:
            fresh = url_settings.model_copy(update={"namespace": f"o{uuid.uuid4().hex[:12]}"})
            self.engine = self.do(Engine.connect(fresh))
            self.queue = self.do(self.engine.queues.create("CPU Queue")).id
            info = WorkerInfo(label="w", lanes=(Lane(queue=self.queue),))
            self.worker = self.do(self.engine.workers.register(info))

        @rule(priority=st.sampled_from([-1000, -1, 0, 0, 0, 1, 1000]), count=st.integers(1, 4))
        def enqueue(self, priority: int, count: int) -> None:
            for _ in range(count):
                id = self.do(self.engine.tasks.submit(TaskSpec(name="t"), self.queue, priority=priority))
                self.model.enqueue(id, priority)

        @precondition(lambda self: self.model.entries)
        @rule(count=st.integers(1, 3))
        def claim(self, count: int) -> None:
            claims = self.do(self.engine.claims.claim_many(self.worker, [self.queue], count, kinds=("q",)))
            expected = self.model.entries[:count]
            del self.model.entries[:count]
            assert [claim.task.id for claim in claims] == [entry.id for entry in expected]

        @precondition(lambda self: self.model.entries)
        @rule(data=st.data())
        def move(self, data: st.DataObject) -> None:
            ids = self.model.ids()
            id = data.draw(st.sampled_from(ids))
            others = [other for other in ids if other != id]
            number = st.integers(0, len(ids) + 1)
            places = [
                st.just(Place(front=True)),
                st.just(Place(back=True)),
                number.map(lambda n: Place(up=n)),
                number.map(lambda n: Place(down=n)),
                number.map(lambda n: Place(to=n)),
            ]
            if others:
                # One anchor again and again uses up the room before it, so that the spread is tried.
                anchors = st.sampled_from([others[-1], *others])
                places += [anchors.map(lambda a: Place(before=a)), anchors.map(lambda a: Place(after=a))] * 3
            place = data.draw(st.one_of(places))
            for _ in range(data.draw(st.sampled_from([1, 1, 6]))):
                index = self.do(self.engine.queues.move(self.queue, id, place))
                self.model.move(id, place)
                assert index == self.model.ids().index(id)

        @invariant()
        def same_order(self) -> None:
            if hasattr(self, "engine"):
                waiting = self.do(self.engine.queues.waiting(self.queue, limit=1000))
                assert [task.id for task in waiting] == self.model.ids()

        def teardown(self) -> None:
            if hasattr(self, "engine"):
                self.do(self.engine.close())
            self.runner.close()

    return Order


def test_order_is_that_of_a_plain_list(valkey: ValkeyProcess, settings_for_machine: Settings) -> None:
    run_state_machine_as_test(
        machine(settings_for_machine),
        settings=settings(
            max_examples=examples(20, 300),
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_room_before_one_task_never_runs_out(engine: Engine) -> None:
    ids = [await engine.tasks.submit(TaskSpec(name="t"), "default") for _ in range(60)]
    anchor = ids[30]
    expected = ids.copy()
    for id in ids[:30] * 4:
        expected.remove(id)
        expected.insert(expected.index(anchor), id)
        await engine.queues.move("default", id, Place(before=anchor))
    assert [task.id for task in await engine.queues.waiting("default")] == expected


async def test_a_later_front_beats_an_earlier_one_and_every_priority(engine: Engine) -> None:
    low = await engine.tasks.submit(TaskSpec(name="low"), "default", priority=-1000)
    high = await engine.tasks.submit(TaskSpec(name="high"), "default", priority=1000)
    last = await engine.tasks.submit(TaskSpec(name="last"), "default")
    assert await engine.queues.move("default", low, Place(front=True)) == 0
    assert await engine.queues.move("default", last, Place(front=True)) == 0
    assert [task.id for task in await engine.queues.waiting("default")] == [last, low, high]


async def test_a_counter_far_up_begins_anew_in_an_idle_queue(engine: Engine) -> None:
    queue = engine.storage.keys("queue", "default")
    await engine.storage.command("HSET", queue, "place", 2**41)
    first = await engine.tasks.submit(TaskSpec(name="first"), "default")
    second = await engine.tasks.submit(TaskSpec(name="second"), "default")
    assert await engine.storage.command("HGET", queue, "place") == "32"
    assert [task.id for task in await engine.queues.waiting("default")] == [first, second]
