"""The real ``clearq`` command against the session's server, and a worker played by the test."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clearq.engine import Engine
from clearq.models import Claim, Lane, Stage, WorkerInfo
from clearq.settings import Settings


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """Runs ``python -m clearq`` with the test's settings in its environment."""

    environ: dict[str, str]
    cwd: Path

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "clearq", *words, cwd=self.cwd, env=self.environ, stdout=pipe, stderr=pipe
        )

    async def __call__(self, *words: str, code: int = 0) -> Done:
        """Run to the end; the exit code must be ``code``."""
        process = await self.start(*words)
        out, err = await process.communicate()
        done = Done(process.returncode or 0, out.decode(), err.decode())
        assert done.code == code, done
        assert "Traceback" not in done.err
        return done


@pytest.fixture
def shell(settings: Settings, tmp_path: Path) -> Shell:
    """The command line of a user who works in an empty folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CLEARQ_", "GIT_"))}
    environ |= {
        "CLEARQ_URL": settings.url.get_secret_value(),
        "CLEARQ_NAMESPACE": settings.namespace,
        "CLEARQ_HOME": str(settings.home),
        "CLEARQ_DEAD_AFTER": "600",  # nobody beats for the played worker
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
    }
    return Shell(environ, folder)


@dataclass(frozen=True)
class PlayedWorker:
    """A worker without processes: the test says what becomes of its tasks."""

    engine: Engine
    id: str
    queues: tuple[str, ...]

    async def claim(self) -> Claim:
        """The head of the first queue that has one; waits for it by the doorbell."""
        while True:
            snapshot = await self.engine.claims.snapshot(self.id, self.queues)
            for view in snapshot.queues:
                for task in view.heads:
                    claim = await self.engine.claims.claim_task(
                        self.id, task, queue_rev=view.queue.rev, host_id="host", boot_id="boot"
                    )
                    if isinstance(claim, Claim):
                        return claim
            await self.engine.workers.wait_bell(self.id, 1.0)

    async def run(self, *lines: tuple[str, str]) -> Claim:
        """Claim the next task, bring it to running and let it print ``(stream, text)`` lines."""
        claim = await self.claim()
        await self.engine.attempts.start(claim.task.id, claim.fence, f"supervisor.{claim.task.id}")
        await self.engine.attempts.stage(claim.task.id, claim.fence, Stage.RUNNING)
        await self.print(claim, *lines)
        return claim

    async def print(self, claim: Claim, *lines: tuple[str, str]) -> None:
        entries = [(0.0, stream, text) for stream, text in lines]
        await self.engine.logs.append(claim.task.id, entries, fence=claim.fence)


@pytest.fixture
def played_worker(engine: Engine) -> Callable[..., Awaitable[PlayedWorker]]:
    """Make a worker that listens to the named queues."""

    async def make(*names: str, label: str = "host1:0") -> PlayedWorker:
        queues = tuple([(await engine.queues.get(name)).id for name in names])
        info = WorkerInfo(
            label=label,
            host="host1",
            host_id="host",
            boot_id="boot",
            lanes=tuple(Lane(queue=queue) for queue in queues),
            slots=2,
            executors=("process", "venv"),
        )
        return PlayedWorker(engine, await engine.workers.register(info), queues)

    return make
