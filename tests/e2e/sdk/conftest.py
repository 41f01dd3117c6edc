"""Users' programs as real processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearq.engine import Engine
from clearq.models import AttemptFile, TaskSpec
from clearq.settings import Settings
from tests.support.sdk import Program, Start

#: Seconds after which a program is taken to hang.
HANGS = 90


@pytest.fixture
def environ(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """The environment of a user's program on the test's server."""
    return {
        **os.environ,
        "CLEARQ_URL": settings.url.get_secret_value(),
        "CLEARQ_NAMESPACE": settings.namespace,
        "CLEARQ_HOME": str(settings.home),
        "CLEARQ_ARTIFACTS_URL": str(tmp_path / "store"),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def start(environ: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start a program in a folder of its own; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []
    folder = tmp_path / "work"
    folder.mkdir()

    def start(code: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        (folder / "program.py").write_text(textwrap.dedent(code))
        process = subprocess.Popen(
            [sys.executable, "program.py", *arguments],
            cwd=folder,
            env={**environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


@pytest.fixture
def program(start: Start) -> Program:
    """Run a program to its end."""

    def run(code: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        process = start(code, *arguments, env=env)
        out, err = process.communicate(timeout=HANGS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def attempt(engine: Engine, settings: Settings, tmp_path: Path) -> Callable[..., object]:
    """Make an attempt as a supervisor does; answers the environment for its program."""

    async def make(spec: TaskSpec, task_id: str) -> dict[str, str]:
        claim = await engine.attempts.begin(spec, id=task_id, holder_id="supervisor")
        folder = tmp_path / f"attempt-{task_id}"
        folder.mkdir()
        file = AttemptFile(
            url=settings.url.get_secret_value(),
            namespace=settings.namespace,
            home=str(settings.home),
            artifacts_url=str(tmp_path / "store"),
            task=claim.task,
            fence=claim.fence,
            holder=claim.holder,
        )
        path = folder / "attempt.json"
        path.write_text(file.model_dump_json())
        path.chmod(0o600)
        return {"CLEARQ_ATTEMPT": str(path), "CLEARQ_TASK_ID": task_id, "CLEARQ_URL": "", "CLEARQ_NAMESPACE": "wrong"}

    return make
