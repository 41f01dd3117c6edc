"""``clearq agent daemon --app``: functions that need GPUs, in the agent's own environment."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clearq import as_completed
from clearq.engine import Engine
from clearq.errors import FunctionFailed
from clearq.settings import Settings
from tests.support.agents import Agents, clearq, output, until_file
from tests.support.fake_nvml import FakeNvml

#: Seconds for a result that is on its way.
SOON = 40.0


@pytest.fixture
async def agent(agents: Agents, nvml: FakeNvml, folder: Path) -> Any:
    """An agent with one card and the user's app."""
    return await agents.start("--app", "mytasks:app", **nvml.environ, PYTHONPATH=str(folder))


async def test_calls_end_as_those_of_a_worker_do(
    agent: Any, mytasks: ModuleType, engine: Engine, tmp_path: Path
) -> None:
    """Result with the card, failure after its retry, Retry and Snooze, Cancel, a process that dies; several at once."""
    trained = await mytasks.train.enqueue(21)
    failing, third = await mytasks.fails.enqueue("too bad"), await mytasks.third.enqueue(str(tmp_path / "mark"))
    ending = [await mytasks.cancels.enqueue(), await mytasks.dies.enqueue(), await mytasks.too_long.enqueue()]
    seen = {handle.id async for handle in as_completed([trained, failing, third, *ending], timeout=SOON)}
    assert len(seen) == 6
    assert await trained.result() == mytasks.Found("0", 1, 42)
    assert (await trained.status(), await trained.progress()) == ("completed", 0.5)
    assert "around mytasks.train" in await output(engine, trained.id)
    with pytest.raises(FunctionFailed, match="ValueError: too bad") as failed:
        await failing.result()
    assert (failed.value.type, failed.value.cause) == ("ValueError", "too bad")
    assert "raise ValueError(message)" in failed.value.traceback
    task = await engine.tasks.get(failing.id)
    assert (task.failures, task.claims, task.exit_code) == (2, 2, 1)
    assert "too bad" in await output(engine, failing.id)
    assert await third.result() == 2
    with pytest.raises(FunctionFailed, match="was stopped: no use"):
        await ending[0].result()
    with pytest.raises(FunctionFailed, match="SIGKILL") as killed:
        await ending[1].result()
    assert killed.value.type == "ProcessEnded"
    with pytest.raises(FunctionFailed, match=r"timed out after 0\.3 s") as late:
        await ending[2].result()
    assert late.value.type == "TimedOut"
    assert {entry.fn for entry in await mytasks.app.set_aside()} == {
        "mytasks.fails",
        "mytasks.dies",
        "mytasks.too_long",
    }


async def test_a_stop_gives_time_for_a_checkpoint(agent: Any, mytasks: ModuleType, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    handle = await mytasks.until_told.enqueue(str(mark))
    waiting = await mytasks.train.enqueue(1)
    await until_file(mark)
    assert await waiting.stop() == "stopped"
    assert await handle.stop() == "stopping"
    with pytest.raises(FunctionFailed, match="was stopped"):
        await handle.result(SOON)
    assert mark.read_text() == "checkpoint"


async def test_a_killed_supervisor_costs_a_loss_not_a_failure(
    agent: Any, agents: Agents, mytasks: ModuleType, engine: Engine, tmp_path: Path
) -> None:
    handle = await mytasks.once.enqueue(str(tmp_path / "mark"))
    await until_file(tmp_path / "mark")
    os.kill(agents.supervisor(await engine.tasks.get(handle.id)), 9)
    assert await handle.result(SOON) == 1


async def test_results_are_handed_on(agent: Any, mytasks: ModuleType) -> None:
    child = await mytasks.parents.enqueue((await mytasks.train.enqueue(2)).as_argument(), 4)
    assert await child.result(SOON) == 8
    large = await mytasks.echo.enqueue("x" * 1_000_000)
    again = await mytasks.echo.enqueue(large.as_argument())
    assert await again.result(SOON) == "x" * 1_000_000, "large ones, too"


def test_an_app_that_cannot_be_loaded_ends_the_agent_at_once(settings: Settings, folder: Path, engine: Engine) -> None:
    words = ("agent", "daemon", "--cpu-only", "--app", "mytasks:nothing")
    done = clearq(settings, *words, PYTHONPATH=str(folder))
    assert done.returncode != 0
    assert "Module 'mytasks' has no 'nothing'" in done.stderr


async def test_code_that_cannot_travel_waits_for_an_agent_that_has_it(
    agents: Agents, nvml: FakeNvml, tmp_path: Path, mytasks: ModuleType, folder: Path, engine: Engine
) -> None:
    """A package in no repository: one file of it would not do."""
    del mytasks
    package = tmp_path / "site"
    (package / "pkg").mkdir(parents=True)
    (package / "pkg" / "__init__.py").touch()
    (folder / "mytasks.py").rename(package / "pkg" / "work.py")
    sys.path.insert(0, str(package))
    try:
        work = importlib.import_module("pkg.work")
    finally:
        sys.path.remove(str(package))
    work.app.settings = agents.settings
    async with work.app:
        handle = await work.train.enqueue(3)
        assert (await engine.tasks.get(handle.id)).spec.executor == "function"
        await agents.start("--app", "pkg.work:app", **nvml.environ, PYTHONPATH=str(package))
        assert (await handle.result(SOON)).double == 6
