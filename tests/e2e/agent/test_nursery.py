"""The process that forks supervisors: fast, restarted when it dies, and gone with its agent."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from clearq.agent.folders import AttemptFolder
from clearq.agent.nursery import Nursery
from clearq.agent.watch import wait_gone
from clearq.executors.proc import Identity, look
from clearq.models import AttemptFile, Status, Task, TaskSpec
from tests.support.agents import until


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> AttemptFolder:
    """An attempt that was given up: its supervisor ends at once, without a server."""
    task = Task(id="a" * 32, spec=TaskSpec(name="t"), status=Status.IN_PROGRESS, claims=1)
    attempt = AttemptFile(url="", namespace="n", home=str(tmp_path), task=task, fence="1.x", holder="h")
    made = AttemptFolder.make(tmp_path, attempt)
    assert made.give_up()
    return made


async def gone(pid: int) -> None:
    found = look(pid)
    await asyncio.wait_for(wait_gone(found.identity if found else Identity(pid, 0)), 20)


def forker() -> psutil.Process:
    """The nursery's process; ended children that earlier tests left to be reaped are passed over."""
    living = (child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
    (process,) = (child for child in living if "--nursery" in child.cmdline())
    return process


async def test_each_folder_gets_a_process_of_its_own(nursery: Nursery, folder: AttemptFolder):
    first, second = await nursery.start(folder.path), await nursery.start(folder.path)
    assert first != second
    await gone(first)
    await gone(second)


async def test_it_is_started_again_when_it_was_killed(nursery: Nursery, folder: AttemptFolder):
    await gone(await nursery.start(folder.path))
    process = forker()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    await gone(await nursery.start(folder.path))


async def test_it_hands_over_copies_of_locks(nursery: Nursery, folder: AttemptFolder):
    read, write = os.pipe()
    pid = await nursery.start(folder.path, [write])
    os.close(write)
    await gone(pid)
    assert await asyncio.wait_for(asyncio.to_thread(os.read, read, 1), 20) == b"", "all copies are closed"
    os.close(read)


async def test_it_ends_with_its_agent(nursery: Nursery, folder: AttemptFolder):
    nursery.warm_up()
    process = forker()
    nursery.close()

    async def ended() -> bool:
        return not process.is_running()

    await until(ended, "the process ends")
