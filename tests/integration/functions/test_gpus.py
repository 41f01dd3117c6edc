"""Calls that need GPUs, on a real server: what is enqueued, who takes it, and the process that runs one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clearq import Clearq, limit
from clearq.agent.verdicts import read_verdict
from clearq.engine import Engine
from clearq.engine.cron import Step
from clearq.engine.cron_table import CronTable
from clearq.errors import TaskNotFound
from clearq.functions import gpus
from clearq.models import AttemptFile, Claim, ExecutorKind, Function, Lane, TaskSpec, Verdict, WorkerInfo
from clearq.models.limit import Size
from clearq.settings import Settings
from clearq.storage.census import take
from tests.support.gpu_functions import write


@pytest.fixture
async def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clearq]:
    """An app whose code is recorded without looking at this repository."""
    monkeypatch.setattr(gpus, "code_of", lambda function, same_host: gpus.Code("lab", gpus.Script(diff="pass")))
    async with Clearq(settings=settings) as app:
        yield app


async def test_mixed_calls_are_enqueued_in_order_and_workers_take_only_their_own(app: Clearq, engine: Engine) -> None:
    lean = app.task(name="lean")(lambda: None)
    heavy = app.task(name="heavy", gpus=2, retries=3, retry_delay=2, losses=7, priority=5)(lambda: None)
    first, second, third = await app.enqueue_many([lean.call(), heavy.call(), lean.call()])
    worker = await engine.workers.register(WorkerInfo(label="w", lanes=(Lane(queue="default", kind="fn"),)))
    taken = (await engine.functions.turn(worker, [("default", 9)], 9)).claims
    assert [given.id for given in taken] == [first.id, third.id]
    task = await engine.tasks.get(second.id)
    assert (task.status, task.priority, task.spec.needs.gpus, task.spec.executor) == ("queued", 5, 2, "venv")
    limits = task.spec.limits
    assert (limits.retries, limits.retry_delay, limits.losses) == (3, 2.0, 7)
    assert task.spec.function == Function(name="heavy", module="lab", args="[]")
    assert await second.stop() == "stopped"


async def test_keys_delays_and_parents_are_carried(app: Clearq, engine: Engine) -> None:
    heavy = app.task(name="heavy", gpus=1, unique="one:{x}")(_take)
    first, again, other = [await heavy.options(delay=60).enqueue(x) for x in (1, 1, 2)]
    assert (again.id, again.duplicate, other.duplicate) == (first.id, True, False)
    task = await engine.tasks.get(first.id)
    assert task.due is not None and task.due > await engine.now() + 50
    child = await heavy.options(unique=False, after=[first], after_rule="run").enqueue(3)
    assert (await engine.queues.get("default")).held == 1
    assert await first.stop() == "stopped"
    assert [waiting.id for waiting in await engine.queues.waiting("default")] == [child.id]
    assert (await heavy.enqueue(1)).duplicate is False
    with pytest.raises(TaskNotFound):
        await heavy.options(after=["nobody"]).enqueue(4)


async def test_a_limit_by_key_holds_for_agents_and_blocks_nobody_else(app: Clearq, engine: Engine) -> None:
    """Also functions of workers share it; however an attempt ends, its permit comes back."""
    bound = limit(key="lab:{x}", concurrent=1)
    heavy = app.task(name="heavy", gpus=1, limits=bound)(_take)
    first, second, third, other = await app.enqueue_many(heavy.call(x) for x in (1, 1, 1, 2))
    lean = await heavy.options(gpus=0).enqueue(1)
    queue = await engine.queues.get("default")
    assert (queue.waiting, queue.held) == (2, 3)
    agent = Worker(engine, await engine.workers.register(WorkerInfo(label="a", lanes=(Lane(queue="default"),))))
    assert await agent.heads() == [first.id, other.id]
    claim = await agent.take(first.id)
    assert await agent.heads() == [other.id], "a running one holds its permit"
    assert await agent.take(second.id) is None
    await engine.attempts.fail(first.id, claim.fence, reason="no use", final=True)
    assert await agent.heads() == [second.id, other.id]
    assert await second.stop() == "stopped"
    claim = await agent.take(third.id)
    await engine.attempts.lose(third.id, claim.fence, proof="dead")
    assert (await third.status(), await agent.heads()) == ("queued", [third.id, other.id])
    claim = await agent.take(third.id)
    await engine.attempts.complete(third.id, claim.fence)
    worker = await engine.workers.register(WorkerInfo(label="w", lanes=(Lane(queue="default", kind="fn"),)))
    assert [given.id for given in (await engine.functions.turn(worker, [("default", 9)], 9)).claims] == [lean.id]
    assert await lean.stop() == "stopping"
    await engine.limits.set("default", "lab", Size(5))
    assert [(each.taken, each.held) for each in await engine.limits.list("default")] == [(2, 0)]
    assert (await take(engine.storage)).misplaced == []


async def test_a_draft_that_is_run_by_hand_needs_no_permit(app: Clearq, engine: Engine) -> None:
    heavy = app.task(name="heavy", gpus=1, limits=limit("lab", rate="1/h"))(_take)
    first, second = await app.enqueue_many([heavy.call(1), heavy.call(2)])
    await engine.tasks.dequeue(second.id)
    holder = await engine.workers.register(WorkerInfo(label="a"))
    claim = await engine.claims.claim_draft(holder, second.id, host_id="h", boot_id="b", gpus=())
    assert isinstance(claim, Claim)
    await engine.attempts.complete(second.id, claim.fence)
    assert await second.status() == "completed"
    assert [waiting.id for waiting in await engine.queues.waiting("default")] == [first.id]


async def test_what_ran_is_deleted_when_it_was_kept_long_enough(app: Clearq, engine: Engine) -> None:
    heavy = app.task(name="heavy", gpus=1)(_take)
    short, long, always = await app.enqueue_many(
        [heavy.options(keep_result=0).call(1), heavy.options(keep_result=3600).call(2), heavy.call(3)]
    )
    agent = Worker(engine, await engine.workers.register(WorkerInfo(label="a", lanes=(Lane(queue="default"),))))
    for handle in (short, long, always):
        await engine.attempts.complete(handle.id, (await agent.take(handle.id)).fence, result=b"7")
    keys = engine.storage.keys
    flat = await engine.storage.command("ZRANGE", keys("kept"), 0, -1, "WITHSCORES")
    assert flat[::2] == [short.id, long.id]
    assert float(flat[3]) - float(flat[1]) == pytest.approx(3_540_000, abs=5_000), "a minute at least"
    assert (await engine.tasks.forget_kept(), await short.result()) == (False, 7)
    await engine.storage.command("ZADD", keys("kept"), "1", short.id, "1", long.id)
    assert await engine.tasks.forget_kept(limit=1)
    await engine.tasks.forget_kept()
    for handle in (short, long):
        with pytest.raises(TaskNotFound):
            await engine.tasks.get(handle.id)
    assert await always.result() == 7
    assert await engine.storage.command("EXISTS", keys("kept")) == 0


async def test_a_cron_rule_fires_a_task_for_agents(app: Clearq, engine: Engine) -> None:
    """By its slot and by hand, each as a call would be."""

    @app.cron("* * * * *", name="nightly")
    @app.task(name="heavy", gpus=2, unique="nightly", keep_result=100)
    def heavy() -> int:
        return 7

    [rule] = app.cron_rules()
    now = await engine.cron.now()
    await engine.cron.define(rule, now, now - 120)
    [slot] = await engine.cron.slots(["nightly"])
    assert slot is not None
    assert await engine.cron.fire(rule, slot, Step(slot, rule.next_slot(now))) == "fired"
    [fired] = await engine.queues.waiting("default")
    called = await engine.tasks.get((await heavy.options(unique=False).enqueue()).id)
    assert (fired.spec, fired.spec.needs.gpus) == (called.spec, 2)
    assert [each.id for each in await engine.tasks.find()] == [called.id, fired.id]
    table = CronTable(engine.storage, engine.cron, engine.functions)
    assert await table.run("nightly") == (fired.id, False), "its unique key is held"
    await engine.tasks.stop(fired.id)
    id, fresh = await table.run("nightly")
    assert (fresh, (await engine.tasks.get(id)).spec) == (True, called.spec)
    [listed] = await table.list()
    assert (listed.function, listed.outcome) == ("heavy", "stopped")


class Worker:
    """An agent, as far as its claims go."""

    def __init__(self, engine: Engine, id: str) -> None:
        self.engine, self.id = engine, id

    async def heads(self) -> list[str]:
        """What it may take, in order."""
        answer = await self.engine.storage.script("snapshot", "", self.id, 9, "default")
        return [head[0] for head in answer[3][3]]

    async def take(self, task: str) -> Any:
        """A claim, or None when the task cannot be taken."""
        answer = await self.engine.storage.script(
            "claim_task", "", self.id, os.urandom(4).hex(), task, "0", "default", await self._rev(), "host", "boot"
        )
        return SimpleNamespace(fence=answer[1]) if answer[0] == "claimed" else None

    async def _rev(self) -> str:
        keys = self.engine.storage.keys
        return str(await self.engine.storage.command("HGET", keys("queue", "default"), "rev") or "0")


def _take(x: int) -> int:
    return x


async def call(engine: Engine, settings: Settings, folder: Path, function: Function, **changes: Any) -> Verdict | None:
    """Run an attempt of it as a supervisor does, to its end; what its process wrote down."""
    spec = TaskSpec(name="f", executor=ExecutorKind.FUNCTION, function=function)
    claim = await engine.attempts.begin(spec, id=os.urandom(16).hex(), holder_id="supervisor")
    file = AttemptFile(
        namespace=settings.namespace,
        url=settings.url.get_secret_value(),
        home=str(settings.home),
        task=claim.task,
        fence=claim.fence,
        holder=claim.holder,
        **changes,
    )
    (folder / "attempt.json").write_text(file.model_dump_json())
    code = "import sys, clearq.worker.attempt as a; a.OVERDUE_AFTER = 0.2; sys.exit(a.main(sys.argv[1:]))"
    environ = {**os.environ, "CLEARQ_ATTEMPT": str(folder / "attempt.json"), "CUDA_VISIBLE_DEVICES": "3"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=folder, env=environ)
    assert await asyncio.wait_for(process.wait(), 60) in (0, 1)
    return read_verdict(folder, stopped=False)


async def test_a_call_that_blocks_its_process_is_ended_soon_after_its_timeout(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    verdict = await call(
        engine, settings, write(tmp_path / "code"), Function(name="mytasks.blocks", module="mytasks", args="[]")
    )
    assert verdict is not None
    assert (verdict.how, verdict.reason) == ("fail", "timed out after 0.3 s")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (Function(name="other.f", module="other", args="[]"), "There is no module 'other'"),
        (Function(name="mytasks.other", module="mytasks", args="[]"), "declares no function mytasks.other"),
        (Function(name="mytasks.train", module="mytasks", args='["x"]'), "argument 'x' of mytasks.train is not int"),
    ],
)
async def test_what_cannot_be_called_fails_for_good_with_a_sentence(
    engine: Engine, settings: Settings, tmp_path: Path, function: Function, says: str
) -> None:
    verdict = await call(engine, settings, write(tmp_path / "code"), function)
    assert verdict is not None
    assert verdict.how == "fail"
    assert says in verdict.data.decode()


async def test_a_function_that_the_agents_app_lacks_is_named(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    function = Function(name="nowhere", module="mytasks", args="[]")
    verdict = await call(engine, settings, write(tmp_path / "code"), function, app="mytasks:app")
    assert verdict is not None
    assert "mytasks:app does not declare nowhere: start the agent with the app that does" in verdict.data.decode()


async def test_a_large_result_is_stored_aside(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    function = Function(name="mytasks.large", module="mytasks", args="[3000000]")
    verdict = await call(engine, settings, write(tmp_path / "code"), function, artifacts_url=str(tmp_path / "store"))
    assert verdict is not None
    assert (verdict.how, len(verdict.data) < 1000) == ("complete", True)
