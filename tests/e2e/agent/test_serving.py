"""An agent serves its queues: order, slots, outcomes, environment, metrics (rows A-020, A-022, B-004..B-030)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clearq.engine import Engine
from clearq.models import Limits, Status
from clearq.settings import Settings
from tests.support.agents import Agents, ended, is_running, output, shell, until, until_file


async def fill(engine: Engine, queue: str, names: list[str], journal: Path) -> list[str]:
    return [
        await engine.tasks.submit(shell(f"echo {name} >> '{journal}'", name=name), queue, create_queue=True)
        for name in names
    ]


async def test_tasks_of_a_queue_run_one_after_the_other(engine: Engine, agents: Agents, tmp_path: Path):
    """B-004: each task finds no other one running."""
    here = tmp_path / "here"
    script = f"mkdir '{here}' || exit 7; sleep 0.2; rmdir '{here}'"
    ids = [await engine.tasks.submit(shell(script), "default") for _ in range(3)]
    await agents.start("--queue", "default")
    assert [(await ended(engine, task)).status for task in ids] == [Status.COMPLETED] * 3


async def test_the_first_queue_is_emptied_first_and_looked_at_at_every_pull(
    engine: Engine, agents: Agents, tmp_path: Path
):
    """B-005, B-006."""
    journal, gate = tmp_path / "journal", tmp_path / "gate"
    await fill(engine, "low_q", ["l1"], journal)
    hold = shell(f"echo hold >> '{journal}'; while [ ! -e '{gate}' ]; do sleep 0.05; done", name="hold")
    await engine.queues.create("high_q")
    await engine.tasks.submit(hold, "high_q")
    last = (await fill(engine, "low_q", ["l2"], journal))[-1]
    await agents.start("--queue", "high_q", "low_q")
    await until_file(journal)
    await fill(engine, "high_q", ["h1", "h2"], journal)
    gate.touch()
    await ended(engine, last)
    assert journal.read_text().split() == ["hold", "h1", "h2", "l1", "l2"]


async def test_order_fairness_takes_turns(engine: Engine, agents: Agents, tmp_path: Path):
    """B-007."""
    journal = tmp_path / "journal"
    await fill(engine, "group_a", ["a1", "a2", "a3"], journal)
    await engine.queues.create("group_empty")
    last = (await fill(engine, "group_b", ["b1", "b2", "b3"], journal))[-1]
    await agents.start("--queue", "group_a", "group_empty", "group_b", "--order-fairness")
    await ended(engine, last)
    assert journal.read_text().split() == ["a1", "b1", "a2", "b2", "a3", "b3"]


async def test_slots_run_side_by_side(engine: Engine, agents: Agents, tmp_path: Path):
    """Two tasks that wait for each other can both end only when they run at once."""
    one, two = tmp_path / "one", tmp_path / "two"
    meet = "touch '{0}'; for n in $(seq 200); do [ -e '{1}' ] && exit 0; sleep 0.05; done; exit 1"
    ids = [
        await engine.tasks.submit(shell(meet.format(one, two)), "default"),
        await engine.tasks.submit(shell(meet.format(two, one)), "default"),
    ]
    await agents.start("--queue", "default", "--slots", "2")
    assert [(await ended(engine, task)).status for task in ids] == [Status.COMPLETED] * 2


async def test_a_fifth_worker_takes_the_next_waiting_task_at_once(engine: Engine, agents: Agents, tmp_path: Path):
    """A-022, here with two: the first is busy, the second starts what waits."""
    gate = tmp_path / "gate"
    busy = await engine.tasks.submit(shell(f"while [ ! -e '{gate}' ]; do sleep 0.05; done"), "default")
    await agents.start("--queue", "default")
    await until(lambda: is_running(engine, busy), "the first task runs")
    waiting = await engine.tasks.submit(shell("true"), "default")
    await agents.start("--queue", "default")
    assert (await ended(engine, waiting)).status is Status.COMPLETED
    assert (await engine.tasks.get(busy)).status is Status.IN_PROGRESS
    gate.touch()
    await ended(engine, busy)


async def test_the_end_of_a_task_is_its_exit_code_or_a_stop(engine: Engine, agents: Agents):
    """B-027."""
    await agents.start("--queue", "default")
    good = await engine.tasks.submit(shell("exit 0"), "default")
    bad = await engine.tasks.submit(shell("exit 3"), "default")
    long = await engine.tasks.submit(shell("sleep 600", limits=Limits(stop_grace=2)), "default")
    assert (await ended(engine, good)).status is Status.COMPLETED
    failed = await ended(engine, bad)
    assert (failed.status, failed.exit_code) == (Status.FAILED, 3)
    assert "exit code 3" in failed.status_reason
    await until(lambda: is_running(engine, long), "the long task runs")
    assert await engine.tasks.stop(long) == "stopping"
    assert (await ended(engine, long)).status is Status.STOPPED
    assert agents.processes(marked=True) == []


async def test_a_stop_reaches_a_task_that_waits_or_has_just_been_claimed(engine: Engine, agents: Agents):
    first = await engine.tasks.submit(shell("sleep 600", limits=Limits(stop_grace=1)), "default")
    second = await engine.tasks.submit(shell("echo ran"), "default")
    await agents.start("--queue", "default")

    async def claimed() -> bool:
        return (await engine.tasks.get(first)).status is Status.IN_PROGRESS

    await until(claimed, "the first task is claimed")
    assert await engine.tasks.stop(second) == "stopped"
    await engine.tasks.stop(first)
    assert (await ended(engine, first)).status is Status.STOPPED
    assert await output(engine, second) == ""


async def test_a_time_limit_fails_the_task_with_its_reason(engine: Engine, agents: Agents):
    await agents.start("--queue", "default")
    task = await engine.tasks.submit(shell("sleep 600", limits=Limits(time_limit=0.5, stop_grace=1)), "default")
    ending = await ended(engine, task)
    assert ending.status is Status.FAILED
    assert "time limit of 0.5 s" in ending.status_reason


async def test_a_failed_attempt_is_retried_and_the_last_one_counts(engine: Engine, agents: Agents, tmp_path: Path):
    mark = tmp_path / "mark"
    spec = shell(f"[ -e '{mark}' ] || {{ touch '{mark}'; exit 1; }}", limits=Limits(retries=2, retry_delay=0.1))
    task = await engine.tasks.submit(spec, "default")
    await agents.start("--queue", "default")
    ending = await ended(engine, task)
    assert (ending.status, ending.claims, ending.failures) == (Status.COMPLETED, 2, 1)


async def test_output_can_be_read_while_the_task_runs(engine: Engine, agents: Agents, tmp_path: Path):
    """B-028, B-029: the log grows and the heartbeat goes on beside a busy task."""
    gate = tmp_path / "gate"
    await agents.start("--queue", "default", CLEARQ_HEARTBEAT="0.3")
    script = f"echo begun; while [ ! -e '{gate}' ]; do :; done; echo over"
    task = await engine.tasks.submit(shell(script), "default")

    async def begun() -> bool:
        return "begun" in await output(engine, task)

    await until(begun, "the first line arrives")
    seen = (await engine.workers.list())[0].last_seen

    async def later() -> bool:
        now = (await engine.workers.list())[0].last_seen
        return now is not None and seen is not None and now > seen

    await until(later, "a heartbeat beside the busy task")
    gate.touch()
    assert (await ended(engine, task)).status is Status.COMPLETED
    assert (await output(engine, task)).split() == ["begun", "over"]


async def test_the_agents_environment_reaches_its_tasks(engine: Engine, agents: Agents, settings: Settings):
    """B-030; the server's address with its password does not."""
    await agents.start("--queue", "default", "--cpu-only", OPENBLAS_CORETYPE="ARMV8")
    task = await engine.tasks.submit(
        shell('echo "$OPENBLAS_CORETYPE|$CLEARQ_TASK_ID|$CUDA_VISIBLE_DEVICES|$CLEARQ_URL|"'), "default"
    )
    await ended(engine, task)
    assert (await output(engine, task)).strip() == f"ARMV8|{task}|||"


async def test_metrics_and_state_come_with_the_heartbeat(engine: Engine, agents: Agents):
    """B-026."""
    await agents.start("--queue", "default", CLEARQ_HEARTBEAT="0.3")

    async def rates() -> bool:
        return "net_sent_bytes" in (await engine.workers.list())[0].metrics

    await until(rates, "two readings")
    worker = (await engine.workers.list())[0]
    assert {"cpu", "memory", "disk", "net_sent_bytes", "net_received_bytes"} <= worker.metrics.keys()
    assert worker.state == "idle"


async def test_a_listener_counts_in_each_of_its_queues(engine: Engine, agents: Agents):
    """A-020."""
    await engine.queues.create("a")
    await engine.queues.create("b")
    agent = await agents.start("--queue", "a", "b")
    await agents.start("--queue", "b")
    assert [(await engine.queues.get(name)).workers for name in ("a", "b")] == [1, 2]
    assert await asyncio.to_thread(agent.stop) == 0
    assert [(await engine.queues.get(name)).workers for name in ("a", "b")] == [0, 1]


async def test_a_task_that_no_executor_here_can_run_is_passed_over(engine: Engine, agents: Agents):
    docker = shell("true").model_copy(update={"executor": "docker"})
    stuck = await engine.tasks.submit(docker, "default")
    runs = await engine.tasks.submit(shell("true"), "default")
    await agents.start("--queue", "default")
    assert (await ended(engine, runs)).status is Status.COMPLETED
    assert (await engine.tasks.get(stuck)).status is Status.QUEUED


async def test_a_paused_queue_is_not_served_until_it_is_resumed(engine: Engine, agents: Agents):
    await engine.queues.pause("default", by="ann", why="repair")
    task = await engine.tasks.submit(shell("true"), "default")
    other = await engine.tasks.submit(shell("true"), "services")
    await agents.start("--queue", "default", "services")
    assert (await ended(engine, other)).status is Status.COMPLETED
    assert (await engine.tasks.get(task)).status is Status.QUEUED
    await engine.queues.resume("default")
    assert (await ended(engine, task)).status is Status.COMPLETED


@pytest.mark.parametrize("executor", ["process"])
async def test_a_command_that_does_not_exist_fails_with_one_sentence_and_the_agent_goes_on(
    engine: Engine, agents: Agents, executor: str
):
    spec = shell("true")
    spec = spec.model_copy(update={"script": spec.script.model_copy(update={"argv": ("no-such-command",)})})
    bad = await engine.tasks.submit(spec, "default")
    good = await engine.tasks.submit(shell("true"), "default")
    await agents.start("--queue", "default")
    failed = await ended(engine, bad)
    assert failed.status is Status.FAILED
    assert "no-such-command" in failed.status_reason
    assert "no-such-command" in await output(engine, bad)
    assert (await ended(engine, good)).status is Status.COMPLETED


async def test_a_queue_made_again_is_served_by_the_same_agent(engine: Engine, agents: Agents):
    """Its id is another one; the agent's place among the listeners of both is right afterwards."""
    before = await engine.tasks.submit(shell("true"), "mail", create_queue=True)
    agent = await agents.start("--queue", "mail", "default", CLEARQ_HEARTBEAT="0.5")
    assert (await ended(engine, before)).status is Status.COMPLETED
    await engine.queues.delete("mail")
    task = await engine.tasks.submit(shell("true"), "mail", create_queue=True)
    assert (await engine.queues.get("mail")).id == "mail-2"
    assert (await ended(engine, task)).status is Status.COMPLETED
    other = await engine.tasks.submit(shell("true"), "default")
    assert (await ended(engine, other)).status is Status.COMPLETED
    [worker] = await engine.workers.list()
    assert [lane.queue for lane in worker.info.lanes] == ["mail-2", "default"]
    assert "queue mail was deleted and made again" in agent.text()
