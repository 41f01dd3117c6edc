"""A run by hand that was killed hard ends as soon as anybody on its host looks."""

from __future__ import annotations

from clearq.engine import Engine
from clearq.models import TaskSpec
from clearq.models.ids import new_id
from clearq.sdk.by_hand import end_dead_runs
from tests.support.agents import until
from tests.support.sdk import Program, Start

RUNS = """
    import sys, time
    from clearq import Task
    task = Task.init("p", sys.argv[1], reuse_last_task_id=False, auto_connect_streams=False)
    task.live_run.outbox.tried.wait(30)
    print(task.id, flush=True)
    sys.stdin.read()
"""


async def test_only_the_killed_one_ends(start: Start, engine: Engine) -> None:
    killed, living = start(RUNS, "killed"), start(RUNS, "living")
    assert killed.stdout and living.stdout
    ids = [killed.stdout.readline().strip(), living.stdout.readline().strip()]
    elsewhere = await engine.attempts.begin(TaskSpec(name="t"), id=new_id(), holder_id="manual:there:1.n", host_id="x")
    await end_dead_runs(engine)
    assert [(await engine.tasks.get(id)).status for id in ids] == ["in_progress"] * 2
    killed.kill()
    killed.wait()
    await end_dead_runs(engine)
    first = await engine.tasks.get(ids[0])
    assert (first.status, first.status_reason) == ("stopped", "its process is gone")
    assert str(killed.pid) in first.status_message
    assert (await engine.tasks.get(ids[1])).status == "in_progress"
    assert (await engine.tasks.get(elsewhere.task.id)).status == "in_progress"


async def test_a_silent_one_too_and_the_next_run_looks(start: Start, program: Program, engine: Engine) -> None:
    process = start(RUNS, "killed")
    assert process.stdout
    id = process.stdout.readline().strip()
    process.kill()
    process.wait()
    for holder in await engine.attempts._hands():
        await engine.workers.bury(holder, "no heartbeat")
    assert (await engine.tasks.get(id)).stage == "lost"
    assert program(RUNS, "next").returncode == 0

    async def over() -> bool:
        return (await engine.tasks.get(id)).status == "stopped"

    await until(over, "the next run on this host ends it")
