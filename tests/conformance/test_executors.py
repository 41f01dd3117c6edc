"""One suite over every executor that an agent has: the same program behaves the same under each.

A new executor joins :data:`SPECS` with one line.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clearq.errors import EnvironmentFailed
from clearq.executors.exit import Exit
from clearq.executors.job import Command, Job
from clearq.executors.kinds import EXECUTORS, executor_for
from clearq.executors.output import OutputLog, read_frames
from clearq.executors.tree import ProcessTree
from clearq.models import ExecutorKind, Limits, Script, Status, Task, TaskSpec
from clearq.settings import Settings

SPECS: dict[ExecutorKind, Callable[[str, tuple[str, ...]], Script]] = {
    ExecutorKind.PROCESS: lambda code, args: Script(argv=(sys.executable, "-u", "-c", code, *args)),
    ExecutorKind.VENV: lambda code, args: Script(diff=code, entry_point="main.py", argv=args),
}


@dataclass
class Attempt:
    """One task under one executor."""

    kind: ExecutorKind
    folder: Path
    limits: Limits = field(default_factory=lambda: Limits(stop_grace=5.0))
    said: list[str] = field(default_factory=list)

    def job(self, script: Script) -> Job:
        spec = TaskSpec(name="conformance", executor=self.kind, script=script, limits=self.limits)
        task = Task(id="c0" * 16, spec=spec, status=Status.IN_PROGRESS, claims=1)
        environ = {
            **os.environ,
            "FROM_AGENT": "yes",
            "CLEARQ_URL": "redis://:secret@host",
            "CLEARQ_MARKER": f"{task.id}.1",
            "CLEARQ_TASK_ID": task.id,
            "CLEARQ_ATTEMPT": str(self.folder / "attempt.json"),
            "CUDA_VISIBLE_DEVICES": "3",
        }
        attempt_dir = self.folder / "attempt"
        attempt_dir.mkdir(exist_ok=True)
        return Job(task, attempt_dir, Settings(home=self.folder / "home"), environ)

    async def prepare(self, code: str, *args: str, **environment: str) -> Command:
        script = SPECS[self.kind](textwrap.dedent(code), args).model_copy(update={"environment": environment})
        return await executor_for(self.kind).prepare(self.job(script), self.said.append)

    async def start(self, code: str, *args: str, **environment: str) -> ProcessTree:
        command = await self.prepare(code, *args, **environment)
        self.log = OutputLog(self.folder / "output.log")
        tree = ProcessTree(self.limits, self.said.append)
        await tree.start(command, self.log.write)
        self.command = command
        return tree

    async def run(self, code: str, *args: str, **environment: str) -> Exit:
        end = await (await self.start(code, *args, **environment)).wait()
        self.command.close()
        self.log.close()
        return end

    def output(self, stream: str = "stdout") -> str:
        frames = read_frames(self.folder / "output.log")
        return b"".join(frame.data for frame in frames if frame.stream == stream).decode()

    async def printed(self, text: str) -> None:
        while text not in self.output():
            self.log.changed.clear()
            await self.log.changed.wait()


@pytest.fixture(params=list(EXECUTORS), ids=str)
def attempt(request: pytest.FixtureRequest, tmp_path: Path) -> Attempt:
    return Attempt(request.param, tmp_path)


def test_every_executor_is_here() -> None:
    assert set(SPECS) == set(EXECUTORS)


async def test_arguments_and_output(attempt: Attempt) -> None:
    end = await attempt.run(
        "import sys; print(sys.argv[1:]); print('bad', file=sys.stderr)", "--lr", "0.1", "a b", "$HOME;*", ""
    )
    assert end.outcome().status == "completed"
    assert attempt.output() == "['--lr', '0.1', 'a b', '$HOME;*', '']\n"
    assert "bad\n" in attempt.output("stderr")


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("import sys; sys.exit(7)", "failed", "exit code 7"),
        ("raise ValueError('no')", "failed", "exit code 1"),
        ("import os; os.kill(os.getpid(), 15)", "failed", "ended by SIGTERM (terminated)"),
        ("import os; os._exit(0)", "completed", ""),
    ],
)
async def test_end_sets_the_status(attempt: Attempt, code: str, status: str, reason: str) -> None:
    outcome = (await attempt.run(code)).outcome()
    assert (outcome.status, outcome.reason) == (status, reason)


async def test_environment_of_the_process(attempt: Attempt) -> None:
    names = ("FROM_AGENT", "OWN", "CLEARQ_URL", "CLEARQ_MARKER", "CLEARQ_TASK_ID", "CUDA_VISIBLE_DEVICES")
    await attempt.run(
        f"import os; print([os.environ.get(name) for name in {names}])", OWN="mine", CUDA_VISIBLE_DEVICES="0,1"
    )
    task = "c0" * 16
    assert attempt.output() == f"['yes', 'mine', None, '{task}.1', '{task}', '3']\n"


async def test_output_is_live(attempt: Attempt) -> None:
    tree = await attempt.start("import time; print('now'); time.sleep(600)")
    waiting = asyncio.create_task(tree.wait())
    await attempt.printed("now\n")
    assert not waiting.done()
    await tree.stop(grace=60)
    assert (await waiting).outcome(stopped=True).status == "stopped"


async def test_stop_gives_handlers_a_chance(attempt: Attempt) -> None:
    tree = await attempt.start(
        """
        import signal, sys, time
        def save(number, frame):
            print("saved")
            sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print("ready")
        time.sleep(600)
        """
    )
    waiting = asyncio.create_task(tree.wait())
    await attempt.printed("ready\n")
    await tree.stop(grace=60)
    assert (await waiting).code == 0
    assert attempt.output() == "ready\nsaved\n"


async def test_time_limit(attempt: Attempt) -> None:
    attempt.limits = Limits(time_limit=0.2, stop_grace=0.1)
    end = await attempt.run(
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(600)
        """
    )
    assert end.outcome().reason == "ran longer than its time limit of 0.2 s"


async def test_children_end_with_the_task(attempt: Attempt) -> None:
    attempt.limits = Limits(stop_grace=0.1)
    end = await attempt.run(
        """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c",
            "import signal, time; signal.signal(15, signal.SIG_IGN); signal.signal(2, signal.SIG_IGN);"
            "print('up', flush=True); time.sleep(600)"], start_new_session=True, stdout=subprocess.PIPE)
        child.stdout.readline()
        print(child.pid)
        """
    )
    assert (end.code, end.leftovers) == (0, 1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(attempt.output()), 0)


async def test_memory_kill_by_others_is_not_called_ours(attempt: Attempt) -> None:
    tree = await attempt.start("print('ready'); import time; time.sleep(600)")
    waiting = asyncio.create_task(tree.wait())
    await attempt.printed("ready\n")
    os.kill(tree.pid, signal.SIGKILL)
    end = await waiting
    assert (end.signal, end.killed) == (signal.SIGKILL, False)


async def test_preparing_twice_gives_the_same_command(attempt: Attempt) -> None:
    """An attempt that is prepared again, after an interrupted one, finds its place taken and manages."""
    first = await attempt.prepare("print(1)")
    second = await attempt.prepare("print(1)")
    assert (first.argv, first.cwd) == (second.argv, second.cwd)
    for command in (first, second, second):
        command.close()


async def test_impossible_working_folder_is_said(attempt: Attempt) -> None:
    script = SPECS[attempt.kind]("print(1)", ()).model_copy(update={"working_dir": "../outside"})
    with pytest.raises(EnvironmentFailed, match="outside"):
        await executor_for(attempt.kind).prepare(attempt.job(script), attempt.said.append)
