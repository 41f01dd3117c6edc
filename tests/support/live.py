"""A living system: workers, and tasks in every state that there is."""

from __future__ import annotations

from clearq.engine import Engine
from clearq.engine.blobs import Blob
from clearq.engine.calls import Call
from clearq.engine.codec import encode_spec
from clearq.engine.cron import CronRule, Step
from clearq.engine.ids import new_id, nonce
from clearq.engine.tally import Tally
from clearq.models import TaskSpec
from clearq.models.event import ArtifactInfo, ScalarPoint
from clearq.models.limit import Size
from clearq.models.status import Stage
from clearq.models.task import ExecutorKind, Needs, Script
from clearq.models.worker import Lane, WorkerInfo
from clearq.settings import Settings

HOST, BOOT = "host1", "boot1"
GPU = "GPU-8a56a4bc-2f0e-4a8e-9f3c-1d2e3f4a5b6c"


def spec(name: str, *, gpus: int = 0) -> TaskSpec:
    """A small command."""
    return TaskSpec(
        name=name,
        project="examples",
        executor=ExecutorKind.PROCESS,
        script=Script(argv=("python", "train.py")),
        needs=Needs(gpus=gpus),
    )


class LiveSystem:
    """Fills a namespace. ``ids`` names the tasks by the state they are in."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ids: dict[str, str] = {}

    async def fill(self) -> None:
        """Make a system that uses every kind of key."""
        await self._workers()
        await self._waiting()
        await self._running()
        await self._turns()
        await self._ended()
        await self._lost()
        await self._cron()
        await self._limits()
        await self._blobs()
        await self._counts()
        for duty in self.engine.duties():
            if duty.name != "timer":  # it would block until something is due
                await duty.tick()

    async def _workers(self) -> None:
        lanes = (Lane(queue="default"), Lane(queue="services", kind="function"))
        self.worker = await self._register("lab1:gpu0", lanes)
        silent = WorkerInfo(label="lab2:gpu0", host="lab2", host_id="host2", boot_id=BOOT, lanes=lanes)
        self.silent = await self.engine.workers.register(silent)
        await self.engine.workers.beat(self.worker, {}, metrics={"cpu": 12.5, "memory": 40.0}, state="idle")

    async def _register(self, label: str, lanes: tuple[Lane, ...]) -> str:
        info = WorkerInfo(
            label=label, host="lab1", host_id=HOST, boot_id=BOOT, pid=1, lanes=lanes, slots=1, gpus=(GPU,)
        )
        info = info.model_copy(update={"declares": await self.engine.declared.say(["resize"])})
        return await self.engine.workers.register(info)

    async def _waiting(self) -> None:
        engine = self.engine
        self.ids["created"] = (await engine.tasks.create(spec("draft"))).id
        await engine.claims.snapshot(self.worker, ["default"])  # parks it as idle
        self.ids["queued"] = await engine.tasks.submit(spec("waiting"), "default", key="nightly 2026-11-21")
        self.ids["delayed"] = await engine.tasks.submit(spec("tonight"), "default", delay=3600)
        self.ids["function"] = await self._function("default", "")
        self.ids["app function"] = await self._function("default", "shop")
        await engine.storage.script("wait", self.ids["queued"], "client1")
        await engine.queues.create("GPU queue", tags=["gpu"])
        await engine.queues.pause("services", by="ada", why="moving house")

    async def _function(self, queue: str, app: str) -> str:
        """As the function face will send it: lean, with a function's name instead of a script."""
        fields = ["name", "resize", "type", "custom", "executor", "function", "fn", "resize"]
        fields += ["app", app] if app else []
        id = new_id()
        await self.engine.storage.script("enqueue", "", id, queue, "0", "", "", nonce(), "n", queue, "", "0", *fields)
        return id

    async def claim(self, name: str, *, gpus: tuple[str, ...] = (), worker: str = "", host: str = HOST) -> str:
        """Submit a task and take it; returns its fence."""
        worker = worker or self.worker
        self.ids[name] = await self.engine.tasks.submit(spec(name, gpus=len(gpus)), "default")
        queue = await self.engine.queues.get("default")
        task = await self.engine.tasks.get(self.ids[name])
        claim = await self.engine.claims.claim_task(
            worker, task, queue_rev=queue.rev, host_id=host, boot_id=BOOT, gpus=gpus
        )
        assert not isinstance(claim, str), claim
        return claim.fence

    async def _running(self) -> None:
        engine = self.engine
        fence = await self.claim("in_progress", gpus=(GPU,))
        id = self.ids["in_progress"]
        await engine.attempts.start(id, fence, f"supervisor.{id[:8]}")
        await engine.attempts.stage(id, fence, Stage.RUNNING)
        await engine.logs.append(id, [(1.0, "stdout", "epoch 1")], fence=fence, seq=1)
        points = [ScalarPoint(title="loss", series="train", value=0.5, iteration=1)]
        await engine.metrics.report(id, points, fence=fence, seq=1)
        await engine.metrics.single_value(id, "accuracy", 0.97, fence=fence)
        await engine.artifacts.put(id, ArtifactInfo(name="model", url="file:///models/model.bin", size=9), fence=fence)
        await self.claim("claimed")
        await self.claim("stopping")
        await engine.tasks.stop(self.ids["stopping"])
        self.ids["manual"] = new_id()
        await engine.attempts.begin(spec("by hand"), id=self.ids["manual"], holder_id="laptop.1")

    async def _ended(self) -> None:
        engine = self.engine
        fence = await self.claim("completed")
        await engine.attempts.complete(self.ids["completed"], fence)
        fence = await self.claim("failed")
        await engine.attempts.fail(self.ids["failed"], fence, exit_code=1, reason="exit code 1")
        self.ids["stopped"] = await engine.tasks.submit(spec("stopped"), "default")
        await engine.tasks.stop(self.ids["stopped"], reason="not needed")
        call = Call(new_id(), "lab.train", b"[]", "default")
        await engine.functions.submit(call, {**encode_spec(spec("kept")), "keep": "60000"})
        await engine.tasks.stop(call.id)
        fence = await self.claim("published")
        await engine.attempts.complete(self.ids["published"], fence)
        await engine.tasks.publish(self.ids["published"])

    async def _lost(self) -> None:
        fence = await self.claim("lost", worker=self.silent, host="host2")
        await self.engine.attempts.start(self.ids["lost"], fence, "supervisor.lost")
        await self.engine.workers.bury("supervisor.lost", "no heartbeat")
        await self.engine.workers.bury(self.silent, "no heartbeat")

    async def _turns(self) -> None:
        """A fair queue with two keys."""
        await self.engine.queues.create("fair", fair=True, weights={"gold": 3})
        calls = [Call(new_id(), "render", b"[]", "fair", extra={"fair": key}) for key in ("gold", "gold", "lead")]
        await self.engine.functions.enqueue_many(calls)

    async def _cron(self) -> None:
        """Two functions, of which one waits for the other, and a rule whose slot has run."""
        first = Call(new_id(), "resize", b"[]")
        await self.engine.functions.enqueue_many([first, Call(new_id(), "resize", b"[]", extra={"after": first.id})])
        rule, now = CronRule("every minute", "resize", "* * * * *", extra={"app": "shop"}), await self.engine.now()
        await self.engine.cron.define(rule, now, now - 60)
        (slot,) = await self.engine.cron.slots([rule.name])
        assert slot is not None
        assert await self.engine.cron.fire(rule, slot, Step(slot, rule.next_slot(slot))) == "fired"

    async def _counts(self) -> None:
        tally = Tally()
        tally.ended("complete", "default", "resize", 0.2)
        (batch,) = self.engine.tallies.batches(self.worker, tally.take())
        await self.engine.tallies.push(batch)

    async def _limits(self) -> None:
        """Three functions of one key: one runs, one is next, one is held."""
        functions = self.engine.functions
        await self.engine.queues.create("mail")
        await self.engine.queues.create("passing")
        await self.engine.queues.delete("passing")
        await self.engine.limits.set("mail", "customer", Size(2))
        await self.engine.limits.declare("mail", "mails", Size(100, period=3600))
        calls = [Call(new_id(), "send", b"[]", "mail", extra={"limits": "customer:42 mails"}) for _ in range(3)]
        await functions.enqueue_many(calls)
        info = WorkerInfo(label="mailer", host="lab1", host_id=HOST, lanes=(Lane(queue="mail", kind="function"),))
        turn = await functions.turn(await self.engine.workers.register(info), [("mail", 1)], 1)
        assert len(turn.claims) == 1
        await self._given("given", "hello")

    async def _given(self, queue: str, function: str) -> None:
        """One that was given to a worker that waited for it."""
        id = (await self.engine.queues.create(queue)).id
        info = WorkerInfo(label="waiter", host="lab1", host_id=HOST, lanes=(Lane(queue=id, kind="function"),))
        worker = await self.engine.workers.register(info)
        await self.engine.functions.turn(worker, [(id, 1)], 1, room=1)
        await self.engine.functions.enqueue_many([Call(new_id(), function, b"[]", queue)])
        assert await self.engine.functions.withdraw(worker, 1, 1) == (1, 0)

    async def _blobs(self) -> None:
        """One in Redis that is used, and a file that the sweeper finds unused."""
        blobs, kept = self.engine.blobs, Blob(self.ids["created"], "artifact.b1")
        await blobs.expect([kept, (unused := Blob("gone", "args.b2", "s00000000"))])
        await blobs.put(kept, b"weights")
        await blobs.look_soon([unused])


async def live_system(settings: Settings) -> LiveSystem:
    """A filled namespace; the caller closes its engine."""
    system = LiveSystem(await Engine.connect(settings))
    await system.fill()
    return system
