"""Programs under an agent: the attempt's file says everything (rows J-005 to J-007, J-021, C-006, C-007)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from clearq.engine import Engine
from clearq.models import Parameter, TaskSpec
from clearq.models.ids import new_id
from tests.support.sdk import Program
from tests.support.valkey import ValkeyProcess

Attempt = Callable[[TaskSpec, str], Awaitable[dict[str, str]]]

SPEC = TaskSpec(
    name="edited",
    project="p",
    parameters={
        "Args/lr": Parameter(value="0.5", type="float"),
        "General/depth": Parameter(value="7", type="int"),
        "General/net/width": Parameter(value="9"),
    },
    configurations={"conf": '{"a": 2}', "file": "text of the server\n"},
)

PROGRAM = """
    import argparse, pathlib
    from clearq import Task
    task = Task.init("other project", "other name")
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--new", type=int, default=3)
    args = parser.parse_args()
    config = task.connect({"depth": 1, "net": {"width": 2, "more": "x"}})
    conf = task.connect_configuration({"a": 1, "b": 1}, name="conf")
    pathlib.Path("own.txt").write_text("own text")
    path = task.connect_configuration("own.txt", name="file")
    task.execute_remotely("anywhere")
    print(task.id, task.name, args.lr, args.new, config, conf, pathlib.Path(path).read_text().strip())
    for i in range(10):
        task.get_logger().report_scalar("loss", "train", i, i)
    task.get_logger().report_text("said")
    task.get_logger().report_text("quiet", print_console=False)
    task.upload_artifact("a", {"x": 1})
"""


async def test_stored_values_win(program: Program, attempt: Attempt, engine: Engine) -> None:
    task_id = new_id()
    done = program(PROGRAM, env=await attempt(SPEC, task_id))
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == (
        f"{task_id} edited 0.5 3 {{'depth': 7, 'net': {{'width': 9, 'more': 'x'}}}} {{'a': 2}} text of the server"
    )
    assert (second, done.stderr) == ("said", "")
    task = await engine.tasks.get(task_id)
    assert task.status == "in_progress"
    assert task.spec.name == "edited"
    values = {name: parameter.value for name, parameter in task.spec.parameters.items()}
    assert values == {
        "Args/lr": "0.5",
        "Args/new": "3",
        "General/depth": "7",
        "General/net/width": "9",
        "General/net/more": "x",
    }
    assert [point.iteration for point in await engine.metrics.points(task_id, "loss", "train")] == list(range(10))
    assert set(await engine.artifacts.list(task_id)) == {"a"}
    # The supervisor captures the console; only what is not printed comes from the program.
    assert [line.text for line in await engine.logs.read(task_id)] == ["quiet"]


async def test_several_processes_of_one_attempt(program: Program, attempt: Attempt, engine: Engine) -> None:
    task_id = new_id()
    ranks = """
        import subprocess, sys
        code = "import sys; from clearq import Task; t = Task.init('p', 'n')\\n" \\
               "for i in range(50): t.get_logger().report_scalar('rank', sys.argv[1], i, i)"
        for process in [subprocess.Popen([sys.executable, "-c", code, str(i)]) for i in range(3)]:
            assert process.wait() == 0
    """
    done = program(ranks, env=await attempt(TaskSpec(name="n"), task_id))
    assert (done.returncode, done.stderr) == (0, "")
    counts = {one.series: one.count for one in await engine.metrics.summary(task_id)}
    assert counts == {"0": 50, "1": 50, "2": 50}


async def test_wrong_edited_value_is_one_sentence(program: Program, attempt: Attempt) -> None:
    spec = SPEC.model_copy(update={"parameters": {"General/depth": Parameter(value="deep")}})
    done = program("from clearq import Task\nTask.init().connect({'depth': 1})\n", env=await attempt(spec, new_id()))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("parameter General/depth: 'deep' is not a value of type int")


async def test_no_server_is_needed_to_begin(
    program: Program, attempt: Attempt, engine: Engine, valkey: ValkeyProcess
) -> None:
    task_id = new_id()
    env = await attempt(SPEC, task_id)
    done = program(
        """
        import os, socket
        from clearq import Task
        def refuse(*args): raise ConnectionRefusedError("no network")
        socket.socket.connect = socket.socket.connect_ex = refuse
        import asyncio
        asyncio.SelectorEventLoop.sock_connect = refuse
        task = Task.init("p", "n")
        print(task.name, task.connect({"depth": 1}), task.get_parameters()["Args/lr"])
        os._exit(0)
        """,
        env=env,
    )
    assert done.stdout == "edited {'depth': 7, 'net/width': '9'} 0.5\n"


async def test_a_stale_attempt_is_told_once(program: Program, attempt: Attempt, engine: Engine) -> None:
    task_id = new_id()
    env = await attempt(SPEC, task_id)
    task = await engine.tasks.get(task_id)
    await engine.attempts.stopped(task_id, task.fence)
    await attempt_again(engine, task_id)
    done = program(
        """
        from clearq import Task
        task = Task.init()
        for i in range(3):
            task.get_logger().report_scalar("loss", "train", i, i)
            task.get_logger().flush(wait=True)
        """,
        env=env,
    )
    assert done.returncode == 0
    assert done.stderr.count("nothing more of this run is recorded") == 1
    assert await engine.metrics.summary(task_id) == []


async def attempt_again(engine: Engine, task_id: str) -> None:
    await engine.attempts.begin(SPEC, id=task_id, holder_id="another")
