"""The promises of the engine as invariants of a state machine on a real Valkey.

Workers, supervisors, users and the clock do anything in any order: claims, starts, ends with old and new fences,
crashes, moves, pauses, stops, resets. No task is lost, none is in two places, none has two live leases, no card is
held twice, fences grow, counters are true; and in the end everything can be drained.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clearq.errors import ConflictError, Stale
from clearq.models import ENDED, Lane, Limits, Place, Stage, Status, TaskSpec, WorkerInfo
from clearq.settings import Settings
from tests.support.long import examples
from tests.support.timed import connect_timed

QUEUES = ("default", "services")
HOST = "host-1"
GPUS = ("gpu-a", "gpu-b")
SPECS = (
    TaskSpec(name="plain"),
    TaskSpec(name="retried", limits=Limits(retries=2, retry_delay=5.0)),
    TaskSpec(name="fragile", limits=Limits(losses=0, lost_timeout=20.0)),
)


def machine(base: Settings) -> type[RuleBasedStateMachine]:
    class Life(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.alive: list[str] = []
            self.supervisors: dict[str, tuple[str, str]] = {}
            self.starts = 0
            self.tasks: list[str] = []
            self.attempts: list[tuple[str, str]] = []  # every (task, fence) that was ever given out
            self.claims: dict[str, int] = {}

        def do(self, coroutine: Any) -> Any:
            return self.runner.run(coroutine)

        @initialize()
        def connect(self) -> None:
            fresh = base.model_copy(update={"namespace": f"l{uuid.uuid4().hex[:12]}"})
            self.engine, self.storage = self.do(connect_timed(fresh))
            self.keys = self.storage.keys

        # -- users ------------------------------------------------------------------------------------------

        @rule(
            spec=st.sampled_from(SPECS),
            queue=st.sampled_from(QUEUES),
            priority=st.sampled_from([-5, 0, 0, 9]),
            delay=st.sampled_from([None, None, None, 3.0]),
        )
        def submit(self, spec: TaskSpec, queue: str, priority: int, delay: float | None) -> None:
            self.tasks.append(self.do(self.engine.tasks.submit(spec, queue, priority=priority, delay=delay)))

        @precondition(lambda self: self.tasks)
        @rule(
            data=st.data(), verb=st.sampled_from(["dequeue", "stop", "stop", "enqueue", "enqueue", "reset", "delete"])
        )
        def user(self, data: st.DataObject, verb: str) -> None:
            id = data.draw(st.sampled_from(self.tasks))
            arguments = ("default",) if verb == "enqueue" else ()
            try:
                self.do(getattr(self.engine.tasks, verb)(id, *arguments))
            except ConflictError:
                return
            if verb == "delete":
                self.tasks.remove(id)

        @precondition(lambda self: self.tasks)
        @rule(data=st.data(), place=st.sampled_from([Place(front=True), Place(back=True), Place(up=1), Place(to=0)]))
        def move(self, data: st.DataObject, place: Place) -> None:
            try:
                self.do(self.engine.queues.move("default", data.draw(st.sampled_from(self.tasks)), place))
            except ConflictError:
                return

        @rule(verb=st.sampled_from(["pause", "resume", "resume", "clear"]), queue=st.sampled_from(QUEUES))
        def queue(self, verb: str, queue: str) -> None:
            extra = {"by": "test"} if verb == "pause" else {}
            self.do(getattr(self.engine.queues, verb)(queue, **extra))

        # -- workers ----------------------------------------------------------------------------------------

        @precondition(lambda self: len(self.alive) < 3)
        @rule()
        def register(self) -> None:
            lanes = tuple(Lane(queue=queue) for queue in QUEUES)
            label = f"w{len(self.attempts)}.{uuid.uuid4().hex[:4]}"
            info = WorkerInfo(label=label, lanes=lanes, host_id=HOST)
            self.alive.append(self.do(self.engine.workers.register(info)))

        @precondition(lambda self: self.alive)
        @rule(data=st.data(), gpu=st.sampled_from([(), GPUS[:1], GPUS]))
        def claim_one(self, data: st.DataObject, gpu: tuple[str, ...]) -> None:
            worker = data.draw(st.sampled_from(self.alive))
            try:
                snapshot = self.do(self.engine.claims.snapshot(worker, QUEUES))
            except Stale:
                self.alive.remove(worker)
                return
            for view in snapshot.queues:
                for head in view.heads[:1]:
                    answer = self.do(
                        self.engine.claims.claim_task(
                            worker, head, queue_rev=view.queue.rev, host_id=HOST, boot_id="b", gpus=gpu
                        )
                    )
                    if not isinstance(answer, str):
                        assert not (set(gpu) & set(snapshot.gpus_held)), "a held card was given out"
                        self.given(answer.task.id, answer.fence)
                        return
                    if view.queue.pause is None and not (set(gpu) & set(snapshot.gpus_held)):
                        raise AssertionError(f"claim refused: {answer}")

        @precondition(lambda self: self.alive)
        @rule(data=st.data(), count=st.integers(1, 5), weights=st.sampled_from([None, (1, 1), (3, 1)]))
        def claim_many(self, data: st.DataObject, count: int, weights: tuple[int, int] | None) -> None:
            worker = data.draw(st.sampled_from(self.alive))
            try:
                claims = self.do(self.engine.claims.claim_many(worker, QUEUES, count, weights=weights, kinds=("q",)))
            except Stale:
                self.alive.remove(worker)
                return
            assert len(claims) <= count
            for claim in claims:
                self.given(claim.task.id, claim.fence)

        def given(self, id: str, fence: str) -> None:
            assert (id, fence) not in self.attempts, "a fence was given twice"
            number = int(fence.split(".")[0])
            assert number > self.claims.get(id, 0), "fences must grow"
            self.claims[id] = number
            self.attempts.append((id, fence))

        @precondition(lambda self: self.attempts)
        @rule(data=st.data())
        def start(self, data: st.DataObject) -> None:
            id, fence = data.draw(st.sampled_from(self.attempts))
            self.starts += 1  # no holder comes twice: the same one may repeat its start
            holder = f"supervisor.{self.starts}"
            before = self.raw(id)
            try:
                self.do(self.engine.attempts.start(id, fence, holder))
            except Stale:
                return
            assert before["fence"] == fence and before["stage"] == "claimed"
            self.supervisors[holder] = (id, fence)

        @precondition(lambda self: self.attempts)
        @rule(
            data=st.data(),
            verb=st.sampled_from(["complete", "fail", "stopped", "release", "lose", "stage", "rejoin"]),
            twice=st.booleans(),
        )
        def report(self, data: st.DataObject, verb: str, twice: bool) -> None:
            id, fence = data.draw(st.sampled_from(self.attempts[-6:] + self.attempts))
            before = self.raw(id)
            current = before.get("fence") == fence and before.get("status") == "in_progress"
            for _ in range(1 + twice):
                with contextlib.suppress(Stale):
                    self.do(self.reporter(verb, id, fence))
            after = self.raw(id)
            if not current:
                assert after == before, f"a stale {verb} changed the task"
            elif verb in ("complete", "stopped") and after["status"] == "in_progress":
                assert self.do(self.storage.command("HEXISTS", self.keys("beats"), before.get("holder", ""))) == 0
            self.supervisors = {h: a for h, a in self.supervisors.items() if a != (id, fence) or verb in ("stage",)}

        def reporter(self, verb: str, id: str, fence: str) -> Any:
            attempts = self.engine.attempts
            extra: dict[str, Any] = {"fail": {"reason": "r"}, "lose": {"proof": "p"}}.get(verb, {})
            if verb == "stage":
                return attempts.stage(id, fence, Stage.RUNNING)
            if verb == "rejoin":
                return attempts.rejoin(id, fence, f"back.{len(self.attempts)}.{random.random()}")
            return getattr(attempts, verb)(id, fence, **extra)

        # -- death and time ---------------------------------------------------------------------------------

        @precondition(lambda self: self.alive)
        @rule(data=st.data())
        def worker_dies(self, data: st.DataObject) -> None:
            worker = data.draw(st.sampled_from(self.alive))
            self.alive.remove(worker)
            self.do(self.engine.workers.bury(worker, "killed"))

        @rule()
        def supervisors_fall_silent(self) -> None:
            beats = self.do(self.storage.command("HGETALL", self.keys("beats")))
            for holder, counter in beats.items():
                if holder not in self.alive:
                    self.do(self.storage.script("reclaim", "", holder, counter, "silent"))
            self.supervisors.clear()

        @rule(seconds=st.sampled_from([0.5, 4.0, 30.0, 1000.0, -60.0]))
        def clock_jumps(self, seconds: float) -> None:
            self.storage.forward(seconds)

        @rule()
        def tick(self) -> None:
            self.do(self.storage.script("tick", "", "timer"))

        @precondition(lambda self: self.alive)
        @rule(data=st.data())
        def beat(self, data: st.DataObject) -> None:
            worker = data.draw(st.sampled_from(self.alive))
            own = self.do(self.engine.claims.own(worker))
            answer = self.do(self.engine.workers.beat(worker, {**own, "f" * 32: "1.x"}))
            assert answer.gone or answer.lost == ("f" * 32,)

        # -- invariants -------------------------------------------------------------------------------------

        def raw(self, id: str) -> dict[str, str]:
            fields: dict[str, str] = self.do(self.storage.command("HGETALL", self.keys("t", id)))
            return fields

        def dump(self) -> dict[str, Any]:
            async def read() -> dict[str, Any]:
                run = self.storage.command
                beats = await run("HKEYS", self.keys("beats"))
                own: dict[str, list[tuple[str, str]]] = {}
                _, found = await run("SCAN", "0", "MATCH", f"{self.keys.prefix}own:*", "COUNT", 100_000)
                for key in found:
                    for id, entry in (await run("HGETALL", key)).items():
                        own.setdefault(id, []).append((key.split(":own:")[1], entry.split()[0]))
                return {
                    "lanes": {q: await run("ZRANGE", self.keys("q", q), 0, -1) for q in QUEUES},
                    "delayed": await run("ZRANGE", self.keys("delayed"), 0, -1),
                    "lost": await run("ZRANGE", self.keys("lost"), 0, -1),
                    "gpus": await run("HGETALL", self.keys("gpus", HOST)),
                    "counts": {q: await run("HMGET", self.keys("queue", q), "running", "delayed") for q in QUEUES},
                    "own": own,
                    "beats": set(beats),
                }

            return self.do(read())

        @invariant()
        def promises(self) -> None:
            if not hasattr(self, "engine"):
                return
            now = self.dump()
            running = dict.fromkeys(QUEUES, 0)
            delayed = dict.fromkeys(QUEUES, 0)
            hashes = self.do(self.storage.commands([("HGETALL", self.keys("t", id)) for id in self.tasks]))
            for id, task in zip(self.tasks, hashes, strict=True):
                assert task, f"{id} is lost"
                places = [f"q:{queue}" for queue in QUEUES if id in now["lanes"][queue]]
                places += ["delayed"] * (id in now["delayed"]) + ["lost"] * (id in now["lost"])
                places += [f"own:{holder}" for holder, _ in now["own"].get(id, [])]
                if task["status"] == "queued":
                    assert places in ([f"q:{task['queue']}"], ["delayed"]), (id, places)
                    delayed[task["queue"]] += places == ["delayed"]
                elif task["status"] == "in_progress":
                    running[task["queue"]] += 1
                    assert places == ["lost"] or (len(places) == 1 and places[0].startswith("own:")), (id, places)
                    for _, fence in now["own"].get(id, []):
                        assert fence == task["fence"]
                else:
                    assert places == [], (id, task["status"], places)
                held = {uuid for uuid, mark in now["gpus"].items() if mark == f"{id} {task.get('fence')}"}
                assert held == set(task.get("gpus_held", "").split()), "held cards and the task disagree"
            for queue in QUEUES:
                shown = tuple(int(count or 0) for count in now["counts"][queue])
                assert shown == (running[queue], delayed[queue]), f"counters of {queue}"

        def teardown(self) -> None:
            if hasattr(self, "engine"):
                self.drain()
                self.do(self.engine.close())
            self.runner.close()

        def drain(self) -> None:
            """Whatever happened, all that is left can be brought to an end."""
            for queue in QUEUES:
                self.do(self.engine.queues.resume(queue))
            worker = self.do(self.engine.workers.register(WorkerInfo(label="drain", host_id=HOST)))
            for _ in range(30):
                self.storage.forward(10_000.0)
                self.supervisors_fall_silent()
                for other in self.alive:
                    self.do(self.engine.workers.bury(other, "over"))
                self.alive.clear()
                worker = self.do(self.engine.workers.register(WorkerInfo(label=uuid.uuid4().hex, host_id=HOST)))
                self.do(self.storage.script("tick", "", "timer"))
                for claim in self.do(self.engine.claims.claim_many(worker, QUEUES, 100, kinds=("q",))):
                    self.do(self.engine.attempts.complete(claim.task.id, claim.fence))
                statuses = {self.raw(id)["status"] for id in self.tasks}
                if statuses <= {*ENDED, Status.CREATED}:
                    return
            raise AssertionError(f"not drained: {statuses}")

    return Life


def test_nothing_is_lost_or_doubled(settings_for_machine: Settings) -> None:
    run_state_machine_as_test(
        machine(settings_for_machine),
        settings=settings(
            max_examples=examples(40, 600),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes; the printed steps are enough
            database=None,
        ),
    )
