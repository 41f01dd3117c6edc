"""Real agent processes for tests, and small tasks for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from clearq.models import ExecutorKind, Limits, Needs, Script, Status, Task, TaskSpec
from clearq.settings import Settings

if TYPE_CHECKING:
    from clearq.engine import Engine

#: Seconds until what a test waits for must have happened.
SOON = 40.0


async def until(what: Callable[[], Awaitable[object]], why: str, timeout: float = SOON) -> object:
    """The first true answer of ``what``."""
    deadline = asyncio.get_running_loop().time() + timeout
    while asyncio.get_running_loop().time() < deadline:
        if answer := await what():
            return answer
        await asyncio.sleep(0.03)
    raise AssertionError(f"did not happen within {timeout:g} s: {why}")


async def until_file(path: Path) -> str:
    """The text of a file, once somebody has written it."""

    async def text() -> str:
        return path.read_text() if path.exists() else ""

    return str(await until(text, f"{path.name} is written"))


def shell(script: str, *, name: str = "task", gpus: int = 0, limits: Limits | None = None) -> TaskSpec:
    """A task that runs a shell script."""
    return TaskSpec(
        name=name,
        executor=ExecutorKind.PROCESS,
        script=Script(argv=("/bin/sh", "-c", script)),
        needs=Needs(gpus=gpus),
        limits=limits or Limits(),
    )


async def ended(engine: Engine, task_id: str, timeout: float = SOON) -> Task:
    """The task, once it has ended."""
    return await engine.tasks.wait(task_id, timeout)


async def output(engine: Engine, task_id: str) -> str:
    """All that is in its log."""
    return "\n".join(line.text for line in await engine.logs.read(task_id))


async def is_running(engine: Engine, task_id: str) -> bool:
    """Is its user code on its way?"""
    task = await engine.tasks.get(task_id)
    return task.status is Status.IN_PROGRESS and task.stage == "running"


class AgentProcess:
    """One ``clearq agent daemon``."""

    def __init__(self, settings: Settings, words: tuple[str, ...], environ: Mapping[str, str]) -> None:
        settings.home.mkdir(parents=True, exist_ok=True)
        self.log = settings.home / f"agent-{os.urandom(3).hex()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "clearq", "agent", "daemon", *words],
                env=environment(settings, environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(20)


class Agents:
    """Starts agents of one home, and ends everything of it afterwards."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings, self.engine = settings, engine
        self.started: list[AgentProcess] = []

    async def start(self, *words: str, **environ: str) -> AgentProcess:
        """An agent that is registered and ready."""
        agent = AgentProcess(self.settings, words, environ)
        self.started.append(agent)

        async def registered() -> bool:
            assert agent.process.poll() is None, f"the agent ended:\n{agent.text()}"
            return any(worker.info.pid == agent.pid for worker in await self.engine.workers.list())

        await until(registered, "the agent registers")
        return agent

    async def label(self, agent: AgentProcess) -> str:
        """The worker's name."""
        return next(worker.info.label for worker in await self.engine.workers.list() if worker.info.pid == agent.pid)

    def processes(self, *, marked: bool = False) -> list[psutil.Process]:
        """Every living process of this home; ``marked``: only the users' own."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                environ = process.environ()
                mine = environ.get("CLEARQ_HOME") == str(self.settings.home)
                if mine and process.pid != os.getpid() and (not marked or "CLEARQ_MARKER" in environ):
                    found.append(process)
        return found

    def supervisor(self, task: Task) -> int:
        """Pid of the supervisor of a running task."""
        from clearq.agent.folders import AttemptFolder

        found = AttemptFolder(self.settings.home / "attempts" / f"{task.id}.{task.claims}").supervisor()
        assert found is not None
        return found.pid

    def close(self) -> None:
        """End all at once: what a good end takes is what the tests of it are for."""
        for agent in self.started:
            agent.process.kill()  # first, so that it starts nothing more
        for agent in self.started:
            agent.process.wait(10)
        while found := self.processes():  # until none is left: one may have been forked behind the last look
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def environment(settings: Settings, more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings."""
    return {
        **os.environ,
        "CLEARQ_URL": settings.url.get_secret_value(),
        "CLEARQ_NAMESPACE": settings.namespace,
        "CLEARQ_HOME": str(settings.home),
        "CLEARQ_GPU_LOCKS": str(settings.home),
        **more,
    }


def clearq(settings: Settings, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a clearq command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "clearq", *words],
        env=environment(settings, environ),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
