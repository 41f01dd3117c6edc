"""``execute_remotely`` (rows J-019 to J-025)."""

from __future__ import annotations

import pytest

from clearq.engine import Engine
from tests.support.sdk import Program

LAST = "clearq WARNING - Terminating local execution process"


@pytest.mark.parametrize("where", ["global", "main"])
async def test_at_the_very_top(program: Program, engine: Engine, where: str) -> None:
    code = """
        from clearq import Task
        task = Task.init("new project", "first ever")
        task.execute_remotely(queue_name="default")
        print("never here")
    """
    if where == "main":
        code = """
        from clearq import Task
        def main():
            task = Task.init("new project", "first ever")
            task.execute_remotely(queue_name="default")
            print("never here")
        if __name__ == "__main__":
            main()
        """
    done = program(code, "--lr", "1")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [LAST]
    (task,) = await engine.tasks.find()
    assert (task.status, task.queue, task.manual, task.spec.name) == ("queued", "default", False, "first ever")
    assert task.spec.script.entry_point == "program.py"
    assert task.spec.script.argv == ("--lr", "1")
    assert "execute_remotely" in task.spec.script.diff
    assert "clearq" in (task.spec.script.requirements or "").splitlines()
    assert [waiting.id for waiting in await engine.queues.waiting("default")] == [task.id]


async def test_inside_a_loop_after_local_work(program: Program, engine: Engine) -> None:
    done = program("""
        from clearq import Task
        task = Task.init("p", "n")
        for epoch in range(1, 5):
            if epoch > 1:
                task.execute_remotely("default")
            print("epoch", epoch)
            task.get_logger().report_scalar("loss", "train", epoch, epoch)
    """)
    assert (done.returncode, done.stdout) == (0, "epoch 1\n")
    (task,) = await engine.tasks.find()
    assert task.status == "queued"
    # The agent begins from the beginning: what the local epoch reported is not mixed with it.
    assert await engine.metrics.summary(task.id) == []
    assert await engine.logs.read(task.id) == []


async def test_the_next_local_run_is_another_task(program: Program, engine: Engine) -> None:
    code = "from clearq import Task\nTask.init('p', 'n').execute_remotely('default')\n"
    program(code)
    program(code)
    assert len(await engine.queues.waiting("default")) == 2


async def test_a_copy_can_be_sent_while_the_program_goes_on(program: Program, engine: Engine) -> None:
    done = program("""
        from clearq import Task
        task = Task.init("p", "n")
        copy = task.execute_remotely("default", clone=True, exit_process=False)
        assert copy.id != task.id
        assert copy.status == "queued"
        print("goes on")
    """)
    assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr
    statuses = {task.status.value: task for task in await engine.tasks.find()}
    assert set(statuses) == {"queued", "completed"}
    assert statuses["queued"].spec.script == statuses["completed"].spec.script


async def test_one_task_cannot_be_in_two_places(program: Program) -> None:
    done = program("""
        from clearq import Task
        try:
            Task.init("p", "n").execute_remotely("default", clone=False, exit_process=False)
        except ValueError as error:
            print(error)
    """)
    assert "pass clone=True to send a copy" in done.stdout


async def test_an_unknown_queue_is_told_and_the_program_goes_on(program: Program, engine: Engine) -> None:
    done = program("""
        from clearq import Task
        try:
            Task.init("p", "n").execute_remotely("gpu")
        except Exception as error:
            print(type(error).__name__, error)
    """)
    assert done.stdout.startswith("QueueNotFound There is no queue 'gpu'.")
    (task,) = await engine.tasks.find()
    assert task.status == "completed"
