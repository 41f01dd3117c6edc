"""A supervisor's last steps: what it reports when output could not be stored, or when it is ended too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearq.agent import supervision
from clearq.agent.folders import AttemptFolder
from clearq.agent.supervision import Supervision
from clearq.errors import StorageFull, StorageUnavailable
from clearq.models import AttemptFile, Beat, ExecutorKind, Script, Status, Task, TaskSpec
from clearq.settings import Settings


class Server:
    """Takes an attempt's reports; ``full``: no output."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.full = False
        self.on_complete: Callable[[], None] = lambda: None
        self.ends: list[tuple[str, str]] = []
        self.attempts = self.workers = self.logs = self.metrics = self

    async def start(self, task: str, fence: str, holder: str) -> Task:
        return self.task

    async def stage(self, task: str, fence: str, stage: str) -> None:
        return

    async def beat(self, holder: str, fences: dict[str, str]) -> Beat:
        return Beat()

    async def wait_bell(self, holder: str, timeout: float) -> bool:
        await asyncio.Event().wait()
        return True

    async def append(self, task: str, entries: object, *, fence: str, seq: int) -> None:
        if self.full:
            raise StorageFull("the server is full")

    async def complete(self, task: str, fence: str, *, message: str, **_: Any) -> None:
        self.on_complete()
        self.ends.append(("completed", message))

    async def lose(self, task: str, fence: str, *, proof: str) -> None:
        self.ends.append(("lost", proof))


@pytest.fixture
def made(tmp_path: Path) -> tuple[Supervision, Server]:
    script = Script(argv=("/bin/sh", "-c", "echo trained"), working_dir=str(tmp_path))
    spec = TaskSpec(name="t", executor=ExecutorKind.PROCESS, script=script)
    task = Task(id="0" * 32, spec=spec, status=Status.IN_PROGRESS, claims=1)
    attempt = AttemptFile(
        url="redis://h", namespace="n", home=str(tmp_path), task=task, fence="1.x", holder="h", work=str(tmp_path)
    )
    server = Server(task)
    folder = AttemptFolder.make(tmp_path, attempt)
    engine: Any = server
    return Supervision(attempt, folder, Settings(home=tmp_path), engine), server


async def test_output_that_a_full_server_does_not_take_is_spoken_of(
    made: tuple[Supervision, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "SHIP_WITHIN", 0.05)
    running, server = made
    server.full = True
    outcome = await running.steps()
    assert outcome.status == "completed"
    ((end, message),) = server.ends
    assert end == "completed"
    assert "bytes of output were not stored" in message


async def test_stored_output_is_not_spoken_of(made: tuple[Supervision, Server]) -> None:
    running, server = made
    await running.steps()
    assert server.ends == [("completed", "")]


async def test_a_task_that_has_ended_is_not_given_up(made: tuple[Supervision, Server]) -> None:
    running, server = made

    def away() -> None:
        server.on_complete = lambda: None
        running.give_up("its supervisor was ended by SIGTERM")
        raise StorageUnavailable("away")

    server.on_complete = away
    await running.steps()
    assert server.ends == [("completed", "")]
