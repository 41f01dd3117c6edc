"""``clearq agent`` from outside: names, GPUs, background, stop, execute.

Rows B-008..B-017, B-020, B-024, B-025, B-032, B-033.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest

from clearq.agent.daemon import Agent
from clearq.agent.options import AgentOptions, GpuChoice
from clearq.agent.registry import Registry
from clearq.agent.setup import prepare
from clearq.engine import Engine
from clearq.models import Status
from clearq.settings import Settings
from tests.support.agents import Agents, clearq, ended, is_running, output, shell, until

SHOW_GPUS = 'echo "cuda=$CUDA_VISIBLE_DEVICES"'


async def test_three_agents_of_a_host_have_three_names(engine: Engine, agents: Agents):
    """B-024, B-025."""
    started = [await agents.start("--queue", "default", CLEARQ_WORKER_NAME="lab1") for _ in range(3)]
    assert [await agents.label(agent) for agent in started] == ["lab1:0", "lab1:1", "lab1:2"]
    await asyncio.to_thread(started[1].stop)
    again = await agents.start("--queue", "default", CLEARQ_WORKER_NAME="lab1")
    assert await agents.label(again) == "lab1:1"


async def test_a_name_that_is_taken_is_refused(engine: Engine, agents: Agents, settings: Settings):
    await agents.start("--queue", "default", "--name", "ann's agent")
    refused = await asyncio.to_thread(clearq, settings, "agent", "daemon", "--name", "ann's agent")
    assert refused.returncode == 4
    assert "ann's agent" in refused.stderr


@pytest.mark.parametrize(
    ("flags", "seen"),
    [
        (("--gpus", "0"), "cuda=0"),
        (("--gpus", "0,1"), "cuda=0,1"),
        (("--gpus", "0-7"), "cuda=0,1,2,3,4,5,6,7"),
        (("--cpu-only",), "cuda="),
        (("--gpus", "none"), "cuda="),
    ],
)
async def test_tasks_see_the_gpus_of_their_agent(engine: Engine, agents: Agents, flags: tuple[str, ...], seen: str):
    """B-012, B-013, B-014, B-016; without NVML the indices are believed."""
    task = await engine.tasks.submit(shell(SHOW_GPUS), "default")
    await agents.start("--queue", "default", *flags)
    await ended(engine, task)
    assert (await output(engine, task)).strip() == seen


async def test_two_agents_with_a_gpu_each_run_side_by_side(engine: Engine, agents: Agents, tmp_path: Path):
    """B-017."""
    one, two = tmp_path / "0", tmp_path / "1"
    meet = (
        f"touch '{tmp_path}/'$CUDA_VISIBLE_DEVICES;"
        f" for n in $(seq 400); do [ -e '{one}' ] && [ -e '{two}' ] && exit 0; sleep 0.05; done; exit 1"
    )
    ids = [await engine.tasks.submit(shell(meet, gpus=1), "default") for _ in range(2)]
    one_each = [agents.start("--queue", "default", "--gpus", gpu, CLEARQ_WORKER_NAME="lab1") for gpu in ("0", "1")]
    first, second = await asyncio.gather(*one_each)
    assert [(await ended(engine, task)).status for task in ids] == [Status.COMPLETED] * 2
    assert {await agents.label(agent) for agent in (first, second)} == {"lab1:gpu0", "lab1:gpu1"}


async def test_two_agents_never_share_a_gpu(engine: Engine, agents: Agents, tmp_path: Path):
    """GPU 1 belongs to both; whoever meets another one on it fails."""
    script = f"mkdir '{tmp_path}/gpu1' || exit 9; sleep 0.1; rmdir '{tmp_path}/gpu1'"
    ids = [await engine.tasks.submit(shell(script, gpus=1), "default") for _ in range(8)]
    await asyncio.gather(*(agents.start("--queue", "default", "--gpus", gpus) for gpus in ("0,1", "1,2")))
    assert [(await ended(engine, task)).status for task in ids] == [Status.COMPLETED] * 8

    async def free() -> bool:
        return await engine.attempts.gpus((await engine.workers.list())[0].info.host_id) == {}

    await until(free, "all cards are given back")


async def test_two_servers_on_one_host_never_share_a_gpu(
    engine: Engine, agents: Agents, settings: Settings, tmp_path: Path
):
    """The file lock is the guard that different servers, namespaces and users have in common."""
    other_settings = settings.model_copy(update={"namespace": f"{settings.namespace}b", "home": tmp_path / "home2"})
    other = await Engine.connect(other_settings)
    more = Agents(other_settings, other)
    script = f"mkdir '{tmp_path}/gpu0' || exit 9; sleep 0.1; rmdir '{tmp_path}/gpu0'"
    locks = str(tmp_path)
    try:
        ids = [(e, await e.tasks.submit(shell(script), "default")) for e in (engine, other) for _ in range(3)]
        await agents.start("--queue", "default", "--gpus", "0", CLEARQ_GPU_LOCKS=locks)
        await more.start("--queue", "default", "--gpus", "0", CLEARQ_GPU_LOCKS=locks)
        assert [(await ended(e, task)).status for e, task in ids] == [Status.COMPLETED] * 6
    finally:
        await asyncio.to_thread(more.close)
        await other.close()


async def test_cpu_tasks_run_beside_a_gpu_task_when_slots_are_given(engine: Engine, agents: Agents, tmp_path: Path):
    one, two = tmp_path / "gpu", tmp_path / "cpu"
    meet = (
        "echo cuda=$CUDA_VISIBLE_DEVICES; touch '{0}';"
        " for n in $(seq 400); do [ -e '{1}' ] && exit 0; sleep 0.05; done; exit 1"
    )
    gpu = await engine.tasks.submit(shell(meet.format(one, two), gpus=1), "default")
    cpu = await engine.tasks.submit(shell(meet.format(two, one)), "default")
    await agents.start("--queue", "default", "--gpus", "3", "--slots", "1")
    assert [(await ended(engine, task)).status for task in (gpu, cpu)] == [Status.COMPLETED] * 2
    assert [(await output(engine, task)).strip() for task in (gpu, cpu)] == ["cuda=3", "cuda="]


async def test_a_task_larger_than_the_agent_waits_and_blocks_nobody(engine: Engine, agents: Agents):
    large = await engine.tasks.submit(shell("true", gpus=2), "default")
    small = await engine.tasks.submit(shell("true", gpus=1), "default")
    await agents.start("--queue", "default", "--gpus", "0")
    assert (await ended(engine, small)).status is Status.COMPLETED
    assert (await engine.tasks.get(large)).status is Status.QUEUED


async def test_an_unknown_queue_is_an_error_unless_it_may_be_made(engine: Engine, agents: Agents, settings: Settings):
    """B-020."""
    refused = await asyncio.to_thread(clearq, settings, "agent", "--queue", "CPU Queue")
    assert refused.returncode == 3
    assert "CPU Queue" in refused.stderr
    await agents.start("--queue", "CPU Queue", "--create-queue")
    assert (await engine.queues.get("CPU Queue")).workers == 1


async def test_the_foreground_shows_the_output_of_tasks(engine: Engine, agents: Agents):
    """B-011."""
    agent = await agents.start("--queue", "default", "--foreground")

    async def banner() -> bool:
        return all(word in agent.text() for word in ("mode", "queues", "default", "GPUs"))

    await until(banner, "the banner stands on the terminal")
    task = await engine.tasks.submit(shell("echo from-the-task"), "default")
    await ended(engine, task)

    async def shown() -> bool:
        return "from-the-task" in agent.text()

    await until(shown, "the output stands on the terminal")


async def test_background_agents_start_and_stop_by_their_arguments(engine: Engine, agents: Agents, settings: Settings):
    """B-008, B-009, B-010."""
    run = partial(asyncio.to_thread, clearq, settings, "agent", "daemon")
    first = await run("--queue", "default", "--gpus", "0", "--detached", "--json", CLEARQ_WORKER_NAME="lab1")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["worker"] == "lab1:gpu0"
    assert (await run("--queue", "default", "--gpus", "1", "--detached", CLEARQ_WORKER_NAME="lab1")).returncode == 0
    assert await names(engine) == ["lab1:gpu0", "lab1:gpu1"]

    ambiguous = await run("--stop")
    assert ambiguous.returncode == 2 and "lab1:gpu0, lab1:gpu1" in ambiguous.stderr
    nobody = await run("--queue", "default", "--gpus", "2", "--stop")
    assert nobody.returncode == 3 and "no agent" in nobody.stderr
    assert (await run("--queue", "default", "--gpus", "0", "--stop")).returncode == 0
    assert await names(engine) == ["lab1:gpu1"]
    assert (await run("--stop")).returncode == 0, "the only one is meant"
    assert await names(engine) == []
    assert (await run("--stop")).returncode == 3


async def test_an_agent_can_be_stopped_from_the_moment_its_name_can_be_found(engine: Engine, settings: Settings):
    registry, before = Registry(settings), []

    def stop_at_once(made: Agent) -> None:
        before.extend(registry.living())
        made.stop()

    agent = await prepare(settings, AgentOptions(gpus=GpuChoice("none")), engine, stop_at_once)
    assert before == []
    assert [found.label for found in registry.living()] == [agent.membership.label]
    assert await agent.run() == []
    assert await names(engine) == []
    assert list(registry.living()) == []


async def test_a_background_agent_that_cannot_start_says_why(engine: Engine, agents: Agents, settings: Settings):
    run = partial(asyncio.to_thread, clearq, settings, "agent", "daemon")
    failed = await run("--queue", "nowhere", "--detached")
    assert failed.returncode == 3
    assert "nowhere" in failed.stderr


async def test_stopping_a_background_agent_says_what_goes_on(engine: Engine, agents: Agents, settings: Settings):
    run = partial(asyncio.to_thread, clearq, settings, "agent", "daemon")
    assert (await run("--detached", "--name", "bob")).returncode == 0
    task = await engine.tasks.submit(shell("sleep 600"), "default")
    await until(lambda: is_running(engine, task), "the task runs")
    stopped = await run("--stop", "bob")
    assert stopped.returncode == 0
    assert f"clearq task stop {task}" in stopped.stderr
    assert await is_running(engine, task)


async def test_execute_runs_a_draft_here_without_any_queue(engine: Engine, agents: Agents, settings: Settings):
    """B-032."""
    draft = await engine.tasks.create(shell(f"echo ran; {SHOW_GPUS}"))
    done = await asyncio.to_thread(clearq, settings, "agent", "execute", "--id", draft.id, "--gpus", "0,1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ran", "cuda=0,1"]
    task = await engine.tasks.get(draft.id)
    assert (task.status, task.queue, task.exit_code) == (Status.COMPLETED, "", 0)
    assert await engine.workers.list() == []
    assert await engine.attempts.gpus(task.host_id) == {}
    assert list((settings.home / "attempts").iterdir()) == []


async def test_execute_tells_a_failure_by_its_exit_code(engine: Engine, agents: Agents, settings: Settings):
    draft = await engine.tasks.create(shell("exit 3"))
    done = await asyncio.to_thread(clearq, settings, "agent", "execute", "--id", draft.id[:12])
    assert done.returncode == 1
    assert "exit code 3" in done.stderr
    assert (await engine.tasks.get(draft.id)).status is Status.FAILED


async def test_execute_clone_leaves_the_original_untouched(engine: Engine, agents: Agents, settings: Settings):
    """B-033."""
    draft = await engine.tasks.create(shell("echo ran"))
    done = await asyncio.to_thread(clearq, settings, "agent", "execute", "--id", draft.id, "--clone", "--json")
    assert done.returncode == 0, done.stderr
    clone = json.loads(done.stdout.partition("\n")[2])["id"]
    assert clone != draft.id
    assert (await engine.tasks.get(clone)).status is Status.COMPLETED
    assert await engine.tasks.get(draft.id) == draft


async def test_execute_refuses_what_waits_in_a_queue(engine: Engine, agents: Agents, settings: Settings):
    task = await engine.tasks.submit(shell("true"), "default")
    refused = await asyncio.to_thread(clearq, settings, "agent", "execute", "--id", task)
    assert refused.returncode == 4
    assert "--clone" in refused.stderr
    assert (await engine.tasks.get(task)).status is Status.QUEUED


async def names(engine: Engine) -> list[str]:
    return sorted(worker.info.label for worker in await engine.workers.list())
