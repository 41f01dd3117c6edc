"""Calls that need GPUs, on a real server: what is enqueued, who takes it, and the process that runs one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from clearq import Clearq
from clearq.agent.verdicts import read_verdict
from clearq.engine import Engine
from clearq.errors import TaskNotFound
from clearq.functions import gpus
from clearq.models import AttemptFile, ExecutorKind, Function, Lane, TaskSpec, Verdict, WorkerInfo
from clearq.settings import Settings
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
