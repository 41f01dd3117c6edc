"""What the measurements share: a home of their own, an agent, and the rows of the table."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.models.task import ExecutorKind, Script, Task, TaskSpec
from clearq.settings import Settings
from clearq.storage import embedded

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Row:
    """One measurement. ``kept`` is None where nothing was promised."""

    what: str
    measured: str
    promise: str = ""
    kept: bool | None = None
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A fresh home with its embedded server, and an engine on it."""

    settings: Settings
    engine: Engine

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a process that shall use this home."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLEARQ_", "CLEARML_"))}
        return {**kept, "CLEARQ_HOME": str(self.settings.home), **more}

    @asynccontextmanager
    async def agent(self, queue: str = "default") -> AsyncIterator[subprocess.Popen[bytes]]:
        """A real agent process that serves ``queue``, listed as a worker before this yields."""
        words = [sys.executable, "-m", "clearq", "agent", "daemon", "--cpu-only", "--queue", queue]
        with (self.settings.home / "agent.log").open("wb") as log:
            process = subprocess.Popen(words, env=self.environ(), stdout=log, stderr=log)
        try:
            while not await self.engine.workers.list():
                if process.poll() is not None:
                    raise RuntimeError((self.settings.home / "agent.log").read_text(encoding="utf-8"))
                await asyncio.sleep(0.05)
            yield process
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)

    @asynccontextmanager
    async def worker(self, app: str, *words: str, processes: int = 1, **environ: str) -> AsyncIterator[psutil.Process]:
        """A real ``clearq worker run``, whose processes are all listed before this yields (a burst is not waited for).

        It is ended in good order. Raises RuntimeError with the last lines of its log when it fails.
        """
        command = [sys.executable, "-m", "clearq", "worker", "run", app, "--processes", str(processes), *words]
        log = self.settings.home / "worker.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=self.environ(PYTHONPATH=str(REPOSITORY), **environ),
                stdout=out,
                stderr=out,
            )
        try:
            while "--burst" not in words and len(await self.engine.workers.list()) < processes:
                if process.poll() is not None:
                    raise RuntimeError(log.read_text(errors="replace")[-2000:])
                await asyncio.sleep(0.05)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            try:
                code = await asyncio.to_thread(process.wait, 60)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
        if code:
            raise RuntimeError(f"the worker ended with {code}:\n{log.read_text(errors='replace')[-2000:]}")

    async def run(self, spec: TaskSpec, queue: str = "default") -> Task:
        """Enqueue and wait for the end. Raises RuntimeError with the task's log when it did not complete."""
        task = await self.engine.tasks.wait(await self.engine.tasks.submit(spec, queue), timeout=300)
        if task.status != "completed":
            lines = "\n".join(line.text for line in await self.engine.logs.tail(task.id, 30))
            raise RuntimeError(f"{task.spec.name} ended {task.status}: {task.status_reason}\n{lines}")
        return task

    async def printed(self, task: Task) -> list[str]:
        """What the task wrote to its standard output."""
        entries = await self.engine.logs.tail(task.id, 100)
        return [line for entry in entries if entry.stream == "stdout" for line in entry.text.splitlines()]


@asynccontextmanager
async def place(**changed: Any) -> AsyncIterator[Place]:
    """Make a :class:`Place`, with some settings changed; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="clearq-bench-"))
    settings = Settings(home=folder, url=SecretStr(""), namespace="clearq", artifacts_url="", **changed)
    engine = await Engine.connect(settings)
    try:
        yield Place(settings, engine)
    finally:
        await engine.close()
        await embedded.stop(settings)
        shutil.rmtree(folder, ignore_errors=True)


def script_spec(name: str, text: str, requirements: str = "") -> TaskSpec:
    """A task that is one file and the packages it asks for."""
    script = Script(diff=text, entry_point=f"{name}.py", requirements=requirements or None)
    return TaskSpec(name=name, project="bench", executor=ExecutorKind.VENV, script=script)


def worker_cpu(worker: psutil.Process) -> float:
    """Seconds of processor time that a function worker's parent and its processes have used until now."""
    times = [process.cpu_times() for process in (worker, *worker.children())]
    return float(sum(each.user + each.system for each in times))
