"""kill -9 of agents, supervisors and the server: nothing lost, nothing doubled, no process left."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.executors.proc import look
from clearq.models import Limits, Status
from clearq.settings import Settings
from tests.support.agents import SOON, Agents, ended, is_running, output, shell, until, until_file
from tests.support.valkey import ValkeyProcess


def gated(gate: Path, journal: Path, name: str = "task") -> str:
    """Says that it began, waits for the gate, says that it ended."""
    return (
        f"echo begin-{name} >> '{journal}'; echo begun; while [ ! -e '{gate}' ]; do sleep 0.05; done;"
        f" echo end-{name} >> '{journal}'; echo over"
    )


async def test_a_killed_agent_loses_nothing_and_the_next_one_adopts(engine: Engine, agents: Agents, tmp_path: Path):
    gate, journal = tmp_path / "gate", tmp_path / "journal"
    first = await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell(gated(gate, journal)), "default")
    behind = await engine.tasks.submit(shell(f"echo behind >> '{journal}'"), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    first.kill()

    second = await agents.start("--queue", "default")
    assert await agents.label(second) == (await engine.tasks.get(task)).worker, "the dead agent's name is free"
    for _ in range(20):  # the adopted task takes the only slot
        assert (await engine.tasks.get(behind)).status is Status.QUEUED
        await asyncio.sleep(0.02)
    gate.touch()
    ending = await ended(engine, task)
    assert (ending.status, ending.claims, ending.losses) == (Status.COMPLETED, 1, 0)
    assert (await ended(engine, behind)).status is Status.COMPLETED
    assert journal.read_text().split() == ["begin-task", "end-task", "behind"]
    assert (await output(engine, task)).split() == ["begun", "over"]


async def test_a_task_ends_in_good_order_while_no_agent_lives(engine: Engine, agents: Agents, tmp_path: Path):
    gate, journal = tmp_path / "gate", tmp_path / "journal"
    agent = await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell(gated(gate, journal)), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    agent.kill()
    gate.touch()
    assert (await ended(engine, task)).status is Status.COMPLETED


async def test_an_agent_that_is_asked_to_end_leaves_its_tasks_running(engine: Engine, agents: Agents, tmp_path: Path):
    gate, journal = tmp_path / "gate", tmp_path / "journal"
    agent = await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell(gated(gate, journal)), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    assert await asyncio.to_thread(agent.stop) == 0
    assert f"clearq task stop {task}" in agent.text()
    assert await engine.workers.list() == []
    gate.touch()
    assert (await ended(engine, task)).claims == 1


async def test_a_task_without_an_agent_can_be_stopped(engine: Engine, agents: Agents, tmp_path: Path):
    agent = await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell("sleep 600", limits=Limits(stop_grace=1)), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    agent.kill()
    await engine.tasks.stop(task)
    assert (await ended(engine, task)).status is Status.STOPPED
    assert agents.processes(marked=True) == []


async def test_a_killed_supervisor_takes_its_tree_along_and_the_task_runs_again(
    engine: Engine, agents: Agents, tmp_path: Path
):
    """Double-forked children included; the agent sees it at once, without any heartbeat growing old."""
    mark, gone = tmp_path / "mark", tmp_path / "pid"
    script = (
        f"[ -e '{mark}' ] && exit 0; touch '{mark}';"
        f" (setsid sh -c 'echo $$ > {gone}; exec sleep 600' &) ; exec sleep 600"
    )
    await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell(script), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    escaped = int(await until_file(gone))
    os.kill(agents.supervisor(await engine.tasks.get(task)), signal.SIGKILL)
    ending = await ended(engine, task, timeout=20)
    assert (ending.status, ending.claims, ending.losses) == (Status.COMPLETED, 2, 1)
    left = look(escaped)
    assert left is None or not left.alive
    assert agents.processes(marked=True) == []


async def test_agent_and_supervisor_die_together_and_the_next_agent_cleans_up_first(
    engine: Engine, agents: Agents, tmp_path: Path
):
    trail, doubled, mark = tmp_path / "trail", tmp_path / "doubled", tmp_path / "mark"
    script = (  # the second run looks whether the first one still writes
        f"size() {{ wc -c < '{trail}'; }};"
        f" [ -e '{mark}' ] && {{ a=$(size); sleep 0.5; [ $a = $(size) ] || touch '{doubled}'; exit 0; }};"
        f" touch '{mark}'; while :; do echo . >> '{trail}'; sleep 0.02; done"
    )
    agent = await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell(script), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    supervisor = agents.supervisor(await engine.tasks.get(task))
    agent.kill()
    os.kill(supervisor, signal.SIGKILL)
    orphans = agents.processes(marked=True)
    assert orphans, "the user's processes live on without anybody"
    await agents.start("--queue", "default")
    ending = await ended(engine, task)
    assert (ending.status, ending.losses) == (Status.COMPLETED, 1)
    left = [found for process in orphans if (found := look(process.pid)) is not None and found.alive]
    assert left == []
    assert not doubled.exists()


async def test_a_task_that_kills_its_supervisor_again_and_again_is_set_aside(engine: Engine, agents: Agents):
    script = "kill -9 $PPID; sleep 600"
    await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell(script, limits=Limits(losses=1)), "default")
    ending = await ended(engine, task)
    assert (ending.status, ending.losses) == (Status.FAILED, 2)
    assert ending.status_reason == "lost with its worker"


async def test_a_supervisor_that_is_asked_to_end_hands_its_task_back(engine: Engine, agents: Agents, tmp_path: Path):
    """As when the host shuts down."""
    mark = tmp_path / "mark"
    await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell(f"[ -e '{mark}' ] && exit 0; touch '{mark}'; exec sleep 600"), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    os.kill(agents.supervisor(await engine.tasks.get(task)), signal.SIGTERM)
    assert (await ended(engine, task)).status is Status.COMPLETED


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_the_server_goes_away_and_comes_back(server: ValkeyProcess, settings: Settings, tmp_path: Path, how: str):
    """What runs goes on and reports later, nothing new starts meanwhile, and all reconnect by themselves."""
    here = settings.model_copy(update={"url": SecretStr(server.url)})
    gate, journal = tmp_path / "gate", tmp_path / "journal"
    engine = await Engine.connect(here)
    agents = Agents(here, engine)
    try:
        await agents.start("--queue", "default", "--slots", "2", CLEARQ_HEARTBEAT="0.5", CLEARQ_PATIENCE="1")
        task = await engine.tasks.submit(shell(gated(gate, journal)), "default")
        await until(lambda: is_running(engine, task), "the task runs")
        server.kill() if how == "kill" else server.stop()
        gate.touch()

        async def over() -> bool:
            return "end-task" in journal.read_text()

        await until(over, "the task goes on without the server")
        await asyncio.sleep(2.0)  # the outage itself: longer than the patience of every call
        server.start()
        ending = await ended(engine, task)
        assert (ending.status, ending.claims) == (Status.COMPLETED, 1)
        assert (await output(engine, task)).split() == ["begun", "over"]
        after = await engine.tasks.submit(shell("echo again"), "default")
        assert (await ended(engine, after, timeout=SOON)).status is Status.COMPLETED
        assert journal.read_text().split() == ["begin-task", "end-task"]
    finally:
        await asyncio.to_thread(agents.close)
        await engine.close()


async def test_an_agent_that_was_thought_dead_begins_anew_and_its_task_goes_on(
    engine: Engine, agents: Agents, tmp_path: Path
):
    """Suspended for longer than the window, then woken."""
    gate, journal = tmp_path / "gate", tmp_path / "journal"
    agent = await agents.start("--queue", "default", CLEARQ_HEARTBEAT="0.3")
    task = await engine.tasks.submit(shell(gated(gate, journal)), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    worker = (await engine.workers.list())[0].id
    os.kill(agent.pid, signal.SIGSTOP)
    await engine.workers.bury(worker, "silent for too long")
    os.kill(agent.pid, signal.SIGCONT)

    async def back() -> bool:
        return any(found.id != worker for found in await engine.workers.list())

    await until(back, "the agent registers anew")
    gate.touch()
    assert (await ended(engine, task)).claims == 1
    after = await engine.tasks.submit(shell("true"), "default")
    assert (await ended(engine, after)).status is Status.COMPLETED


async def test_a_supervisor_that_was_thought_dead_comes_back_in_time(engine: Engine, agents: Agents, tmp_path: Path):
    gate, journal = tmp_path / "gate", tmp_path / "journal"
    await agents.start("--queue", "default", CLEARQ_HEARTBEAT="0.3")
    task = await engine.tasks.submit(shell(gated(gate, journal)), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    supervisor = agents.supervisor(await engine.tasks.get(task))
    os.kill(supervisor, signal.SIGSTOP)
    await engine.workers.bury(await holder(engine, task), "silent for too long")
    assert (await engine.tasks.get(task)).stage == "lost"
    os.kill(supervisor, signal.SIGCONT)
    gate.touch()
    ending = await ended(engine, task)
    assert (ending.status, ending.claims) == (Status.COMPLETED, 1)


async def test_a_supervisor_that_comes_back_too_late_ends_its_own_tree(engine: Engine, agents: Agents, tmp_path: Path):
    mark, late = tmp_path / "mark", tmp_path / "late"
    script = f"[ -e '{mark}' ] && exit 0; touch '{mark}'; sleep 600; touch '{late}'"
    await agents.start("--queue", "default", "--slots", "2", CLEARQ_HEARTBEAT="0.3")
    task = await engine.tasks.submit(shell(script, limits=Limits(lost_timeout=0)), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    first = await engine.tasks.get(task)
    supervisor = agents.supervisor(first)
    os.kill(supervisor, signal.SIGSTOP)
    await engine.workers.bury(await holder(engine, task), "silent for too long")
    ending = await ended(engine, task)
    assert (ending.status, ending.claims) == (Status.COMPLETED, 2)
    os.kill(supervisor, signal.SIGCONT)

    async def tree_is_gone() -> bool:
        return agents.processes(marked=True) == []

    await until(tree_is_gone, "the late supervisor ends its tree")
    again = await engine.tasks.get(task)
    assert (again.status, again.fence) == (Status.COMPLETED, ending.fence)


async def holder(engine: Engine, task_id: str) -> str:
    """Who answers for the attempt."""
    keys = engine.storage.keys
    return str(await engine.storage.command("HGET", keys("t", task_id), "holder"))
