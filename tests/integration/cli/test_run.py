"""``clearq run`` from outside, its worker played by the test."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

from clearq.cli import exits
from clearq.engine import Engine
from clearq.models import ExecutorKind
from tests.integration.cli.conftest import PlayedWorker, Shell

MakeWorker = Callable[..., Awaitable[PlayedWorker]]


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


async def test_detach_prints_the_id_only(shell: Shell, engine: Engine) -> None:
    done = await shell("run", "-d", "--priority", "5", "--tag", "a", "--env", "X=1", "--", "sh", "-c", "exit 3")
    task = await engine.tasks.get(done.out.strip())
    assert (task.priority, task.spec.tags, task.spec.name) == (5, ("a",), "sh")
    assert task.spec.executor is ExecutorKind.PROCESS
    assert task.spec.script.argv == ("sh", "-c", "exit 3")
    assert task.spec.script.working_dir == str(shell.cwd)
    assert task.spec.script.environment == {"X": "1"}
    document = (await shell("run", "--json", "-d", "--key", "once", "--", "true")).json
    assert document["place"] == 2
    again = await shell("run", "--json", "-d", "--key", "once", "--", "true")
    assert again.json["id"] == document["id"]


async def test_a_script_without_repository_travels_itself(shell: Shell, engine: Engine) -> None:
    (shell.cwd / "train.py").write_text("print('hi')\n")
    done = await shell("run", "-d", "--gpus", "2", "--time-limit", "2h", "--", "python", "train.py", "--lr", "0.1")
    assert "travels alone" in done.err
    spec = (await engine.tasks.get(done.out.strip())).spec
    assert (spec.name, spec.executor, spec.needs.gpus, spec.limits.time_limit) == ("train", "venv", 2, 7200)
    assert (spec.script.entry_point, spec.script.argv) == ("train.py", ("--lr", "0.1"))
    assert (spec.script.repository, spec.script.diff) == ("", "print('hi')\n")


async def test_a_repository_travels_as_commit_and_diff(shell: Shell, engine: Engine) -> None:
    (shell.cwd / "train.py").write_text("print(1)\n")
    (shell.cwd / "requirements.txt").write_text("six\n")
    git(shell.cwd, "init", "-q")
    git(shell.cwd, "add", ".")
    git(shell.cwd, "commit", "-qm", "first")
    (shell.cwd / "train.py").write_text("print(2)\n")
    done = await shell("run", "-d", "--", "python3", "train.py")
    script = (await engine.tasks.get(done.out.strip())).spec.script
    assert script.repository == str(shell.cwd)
    assert len(script.commit) == 40
    assert "+print(2)" in script.diff
    assert script.requirements is None


async def test_a_remote_repository_is_not_looked_at_here(shell: Shell, engine: Engine) -> None:
    words = ["--repo", "https://git.invalid/x.git", "--branch", "main", "--", "python", "-m", "pkg.train", "1"]
    done = await shell("run", "-d", *words)
    script = (await engine.tasks.get(done.out.strip())).spec.script
    assert (script.repository, script.branch, script.commit) == ("https://git.invalid/x.git", "main", "")
    assert (script.entry_point, script.argv) == ("-m pkg.train", ("1",))


async def test_mistakes_are_found_before_anything_is_submitted(shell: Shell, engine: Engine) -> None:
    for words, text in (
        ((), "what shall run"),
        (("--", "python", "none.py"), "there is no file 'none.py'"),
        (("--repo", "https://git.invalid/x.git", "--", "ls"), "run Python"),
        (("--branch", "main", "--", "python", "-m", "timeit"), "--branch needs --repo"),
        (("--requirements", "none.txt", "--", "python", "-m", "timeit"), "none.txt"),
        (("--name", "x" * 10_001, "--", "true"), "name"),
        (("--docker", "--executor", "venv", "--", "python", "-m", "timeit"), "exclude each other"),
        (("--gpu", "1", "--", "true"), "clearq run --help"),
        (("--priority", "5000", "--", "true"), "-1000 to 1000"),
    ):
        assert text in (await shell("run", *words, code=exits.USAGE)).err
    missing = await shell("run", "--queue", "none", "--", "true", code=exits.NOT_FOUND)
    assert "clearq queue create" in missing.err
    assert await engine.tasks.find() == []


async def test_run_follows_and_exits_with_the_users_code(
    shell: Shell, engine: Engine, played_worker: MakeWorker
) -> None:
    command = asyncio.create_task(shell("run", "--", "sh", code=7))
    worker = await played_worker("default")
    claim = await worker.run(("stdout", "step 1"), ("stderr", "careful"))
    await worker.print(claim, ("stdout", "step 2"))
    await engine.attempts.fail(claim.task.id, claim.fence, exit_code=7, reason="exit code 7")
    done = await command
    assert done.out == "step 1\nstep 2\n"
    assert "careful\n" in done.err
    assert done.err.rstrip().endswith("exit code 7")


async def test_run_says_why_the_task_waits(shell: Shell, engine: Engine) -> None:
    process = await shell.start("run", "--", "true")
    assert process.stderr is not None
    async for line in process.stderr:
        if line.startswith(b"waiting: No agent serves queue 'default'"):
            break
    (task,) = await engine.tasks.find()
    await engine.tasks.stop(task.id)
    assert await process.wait() == exits.INTERRUPTED


async def test_json_streams_records_and_ends_with_the_task(
    shell: Shell, engine: Engine, played_worker: MakeWorker
) -> None:
    command = asyncio.create_task(shell("run", "--json", "--", "true"))
    claim = await (await played_worker("default")).run(("stdout", "hi"))
    await engine.attempts.complete(claim.task.id, claim.fence)
    records = [json.loads(line) for line in (await command).out.splitlines()]
    assert [records[0]["text"], records[1]["status"], len(records)] == ["hi", "completed", 2]


async def _running(shell: Shell, worker: PlayedWorker, *words: str) -> tuple[asyncio.subprocess.Process, str, str]:
    """A followed task that has printed a line; the process, id and fence."""
    process = await shell.start("run", *words, "--", "true")
    claim = await worker.run(("stdout", "hi"))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"hi\n"
    return process, claim.task.id, claim.fence


async def test_ctrl_c_leaves_the_task_alone(shell: Shell, engine: Engine, played_worker: MakeWorker) -> None:
    process, task_id, _ = await _running(shell, await played_worker("default"))
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == exits.INTERRUPTED
    assert f"clearq task logs -f {task_id}".encode() in err
    assert (await engine.tasks.get(task_id)).stage == "running"


async def test_ctrl_c_stops_the_task_when_asked(shell: Shell, engine: Engine, played_worker: MakeWorker) -> None:
    process, task_id, fence = await _running(shell, await played_worker("default"), "--stop-on-interrupt")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    async for line in process.stderr:
        if line == f"task {task_id}: stopping\n".encode():
            break
    await engine.attempts.stopped(task_id, fence, exit_code=143)
    assert await process.wait() == 143


async def test_timeout_leaves_the_task_and_exits_with_124(shell: Shell, engine: Engine) -> None:
    done = await shell("run", "--timeout", "0.5", "--", "true", code=exits.TIMEOUT)
    (task,) = await engine.tasks.find()
    assert task.status == "queued"
    assert f"clearq task logs -f {task.id}" in done.err
