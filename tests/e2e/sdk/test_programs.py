"""Programs run by hand, from their first line to their last."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from clearq.engine import Engine
from clearq.models import Task
from tests.support.sdk import Program, Start


async def only(engine: Engine) -> Task:
    """The only task there is."""
    (task,) = await engine.tasks.find()
    return task


async def log_of(engine: Engine, task: Task) -> list[str]:
    return "\n".join(line.text for line in await engine.logs.read(task.id)).splitlines()


TRAINING = """
    import argparse
    from clearq import Task

    def main():
        task = Task.init("project", "training")
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float, default=0.1)
        args = parser.parse_args()
        for i in range(3):
            task.get_logger().report_scalar("loss", "train", args.lr * i, i)
        print("done with", args.lr)

    if __name__ == "__main__":
        main()
"""


async def test_everything_of_a_run_is_recorded(program: Program, engine: Engine) -> None:
    done = program(TRAINING, "--lr", "0.5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done with 0.5\n", "")
    task = await only(engine)
    assert (task.status, task.spec.project, task.spec.name, task.manual) == ("completed", "project", "training", True)
    assert (task.spec.script.entry_point, task.spec.script.argv) == ("program.py", ("--lr", "0.5"))
    assert "task.get_logger().report_scalar" in task.spec.script.diff
    assert "clearq" in (task.spec.script.requirements or "").splitlines()
    assert task.spec.parameters["Args/lr"].value == "0.5"
    assert [point.value for point in await engine.metrics.points(task.id, "loss", "train")] == [0, 0.5, 1]
    assert await log_of(engine, task) == ["done with 0.5"]


async def test_code_of_a_dirty_checkout(program: Program, engine: Engine, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "program.py").write_text("print('committed')\n")
    for command in (["init", "-q", "-b", "dev"], ["add", "."]):
        subprocess.run(["git", *command], cwd=work, check=True)
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"], cwd=work, check=True)
    subprocess.run(["git", "remote", "add", "origin", "https://user:secret@host/r.git"], cwd=work, check=True)
    assert program("from clearq import Task\nTask.init('p', 'n')\n").returncode == 0
    script = (await only(engine)).spec.script
    assert len(script.commit) == 40
    assert script.branch == "dev"
    assert "+from clearq import Task" in script.diff
    assert "secret" not in script.model_dump_json()


@pytest.mark.parametrize(
    ("line", "exit_code", "status", "reason"),
    [
        ("raise RuntimeError('boom')", 1, "failed", "RuntimeError: boom"),
        ("import sys; sys.exit(3)", 3, "failed", "exited with code 3"),
        ("import sys; sys.exit(0)", 0, "completed", ""),
        ("raise KeyboardInterrupt", -signal.SIGINT, "stopped", "interrupted by Ctrl-C"),
    ],
)
async def test_ends(program: Program, engine: Engine, line: str, exit_code: int, status: str, reason: str) -> None:
    done = program(f"from clearq import Task\nTask.init('p', 'n').settle()\nprint('last')\n{line}\n")
    assert done.returncode == exit_code
    task = await only(engine)
    assert (task.status, task.status_reason) == (status, reason)
    log = await log_of(engine, task)
    assert log[0] == "last"
    if status == "failed" and reason.startswith("Runtime"):
        assert "Traceback" in task.status_message
        assert log[-1] == "RuntimeError: boom"


async def test_the_shortest_program(program: Program, engine: Engine) -> None:
    assert program("from clearq import Task; Task.init('p', 'n')").returncode == 0
    assert (await only(engine)).status == "completed"


WAITS = """
    import signal, sys
    from clearq import Task
    task = Task.init("p", "n")
    try:
        task.settle()
        print("ready", flush=True)
        signal.pause()
    finally:
        print("cleaned up", flush=True)
"""


async def test_a_stop_request_ends_the_program(start: Start, engine: Engine) -> None:
    process = start(WAITS)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    task = await only(engine)
    assert await engine.tasks.stop(task.id, reason="enough") == "stopping"
    assert (await engine.tasks.wait(task.id, timeout=60)).status == "stopped"
    out, _ = process.communicate(timeout=60)
    assert out == "cleaned up\n"
    assert process.returncode == 128 + signal.SIGTERM


async def test_sigterm_ends_it_as_stopped(start: Start, engine: Engine) -> None:
    process = start(WAITS)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert out == "cleaned up\n"
    task = await only(engine)
    assert (task.status, task.status_reason) == ("stopped", "ended by SIGTERM")
    assert await log_of(engine, task) == ["ready", "cleaned up"]


FORKS = """
    import multiprocessing, os, sys
    from clearq import Logger, Task

    def work(i):
        Logger.current_logger().report_scalar("child", str(i), i, 0)
        print("child", i)
        assert Task.current_task() is not None
        return os.getpid()

    if __name__ == "__main__":
        method = sys.argv[1]
        task = Task.init("p", "n")
        task.get_logger().report_scalar("parent", "a", 1, 0)
        if method == "os.fork":
            for i in range(4):
                if os.fork() == 0:
                    work(i)
                    sys.exit(0)
            for i in range(4):
                os.wait()
        else:
            with multiprocessing.get_context(method).Pool(2) as pool:
                assert len(set(pool.map(work, range(4), chunksize=2))) >= 1
                pool.close()
                pool.join()
        task.get_logger().report_scalar("parent", "a", 2, 1)
        print("end")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "os.fork"])
async def test_children_report_for_their_parent(program: Program, engine: Engine, method: str) -> None:
    done = program(FORKS, method)
    assert (done.returncode, done.stderr) == (0, "")
    task = await only(engine)
    assert task.status == "completed"
    metrics = {(one.title, one.series): (one.last, one.count) for one in await engine.metrics.summary(task.id)}
    assert metrics == {("parent", "a"): (2, 2)} | {("child", str(i)): (i, 1) for i in range(4)}
    lines = await log_of(engine, task)
    assert sorted(lines) == sorted([*(f"child {i}" for i in range(4)), "end"])


async def test_a_program_started_by_a_run_joins_it(program: Program, engine: Engine) -> None:
    done = program("""
        import subprocess, sys
        from clearq import Task
        task = Task.init("p", "n")
        inner = "from clearq import Task; t = Task.init('other', 'other'); print(t.id); " \\
                "t.get_logger().report_scalar('a', 'b', 1, 1)"
        said = subprocess.run([sys.executable, "-c", inner], capture_output=True, text=True, check=True).stdout
        assert said.strip() == task.id, (said, task.id)
    """)
    assert done.returncode == 0, done.stderr
    task = await only(engine)
    assert task.status == "completed"
    assert [one.title for one in await engine.metrics.summary(task.id)] == ["a"]
