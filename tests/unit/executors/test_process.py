"""Executor ``process``: what is missing is said in one sentence, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearq.errors import EnvironmentFailed, SpecError
from clearq.executors.job import Command, Job
from clearq.executors.kinds import executor_for
from clearq.executors.process import ProcessExecutor
from clearq.models import ExecutorKind, Script, Status, Task, TaskSpec
from clearq.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "plain.txt").write_text("no program")
    (folder / "tool").write_text("#!/bin/sh\n")
    (folder / "tool").chmod(0o755)
    return folder


async def prepare(tmp_path: Path, **script: object) -> Command:
    spec = TaskSpec(name="t", executor=ExecutorKind.PROCESS, script=Script.model_validate(script))
    task = Task(id="0" * 32, spec=spec, status=Status.IN_PROGRESS)
    job = Job(task, tmp_path / "attempt", Settings(home=tmp_path), {"PATH": "/usr/bin:/bin"})
    return await ProcessExecutor().prepare(job, lambda _line: None)


async def test_command_is_found_on_path_and_in_the_folder(tmp_path: Path, folder: Path) -> None:
    command = await prepare(tmp_path, argv=["sh", "-c", "exit 3"], working_dir=str(folder))
    assert Path(command.argv[0]).is_absolute()
    assert command.argv[1:] == ("-c", "exit 3")
    assert command.cwd == folder
    command = await prepare(tmp_path, argv=["./tool"], working_dir=str(folder))
    assert command.argv == (str(folder / "tool"),)
    command.close()


async def test_without_a_folder_it_runs_in_its_own(tmp_path: Path) -> None:
    command = await prepare(tmp_path, argv=["sh"])
    assert command.cwd == tmp_path / "attempt" / "work"
    assert command.cwd.is_dir()


@pytest.mark.parametrize(
    ("argv", "working_dir", "words"),
    [
        ([], "", "has no command"),
        ([""], "", "has no command"),
        (["sh", "a\0b"], "", "NUL character"),
        (["sh"], "relative", "not an absolute path"),
        (["sh"], "/no/such/folder", "does not exist on this host"),
        (["sh"], "{folder}/plain.txt", "is not a directory"),
        (["no-such-command"], "", "command 'no-such-command' was not found"),
        (["./absent"], "{folder}", "absent' does not exist"),
        (["./plain.txt"], "{folder}", "is not executable"),
        (["{folder}"], "", "is a directory"),
    ],
)
async def test_what_is_missing_is_said(
    tmp_path: Path, folder: Path, argv: list[str], working_dir: str, words: str
) -> None:
    argv = [word.replace("{folder}", str(folder)) for word in argv]
    with pytest.raises(EnvironmentFailed, match=words):
        await prepare(tmp_path, argv=argv, working_dir=working_dir.replace("{folder}", str(folder)))


def test_executor_by_name() -> None:
    assert isinstance(executor_for(ExecutorKind.PROCESS), ProcessExecutor)
    with pytest.raises(SpecError, match="cannot run executor 'docker' here; it can run: process, venv"):
        executor_for(ExecutorKind.DOCKER)
    with pytest.raises(SpecError, match="it needs an agent with --app"):
        executor_for(ExecutorKind.FUNCTION)
