"""A stop ends a function on an agent whatever it does just then, and its reason reaches whoever waits for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clearq.engine import Engine
from clearq.errors import FunctionFailed
from clearq.settings import Settings
from tests.support.agents import Agents, output, until_file
from tests.support.fake_nvml import FakeNvml
from tests.support.gpu_functions import write

#: Seconds for a result that is on its way; what blocks is killed after a grace of 10 s.
SOON = 60.0

MODULE = """
import asyncio, os, pathlib, time

from clearq import Clearq, current

app = Clearq()


def begin(mark):
    pathlib.Path(mark).write_text(str(os.getpid()))


@app.task(gpus=1)
async def awaits(mark: str) -> None:
    begin(mark)
    await asyncio.sleep(600)


@app.task(gpus=1)
def looks(mark: str) -> None:
    begin(mark)
    while not current().should_stop:
        time.sleep(0.02)


@app.task(gpus=1, where="loop")
def blocks(mark: str) -> None:
    begin(mark)
    while not current().should_stop:
        time.sleep(0.02)
    print("was told", flush=True)
    time.sleep(600)


@app.task(gpus=1, retries=1, retry_delay=0.05)
async def dies_once(mark: str) -> int:
    begin(mark)
    if current().failures == 0:
        await asyncio.sleep(600)
    return current().attempt
"""


async def test_the_reason_of_a_stop_and_of_a_kill(
    agents: Agents, nvml: FakeNvml, settings: Settings, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "code", MODULE, "stops.py")
    monkeypatch.syspath_prepend(str(folder))
    import stops  # type: ignore[import-not-found]

    stops.app.settings = settings
    async with stops.app:
        await agents.start("--app", "stops:app", **nvml.environ, PYTHONPATH=str(folder))
        blocking = None
        for function in (stops.awaits, stops.looks, stops.blocks):
            mark = tmp_path / function.name
            handle = await function.enqueue(str(mark))
            waiting = await stops.awaits.enqueue(str(tmp_path / "never"))
            await until_file(mark)
            assert await waiting.stop("not needed") == "stopped"
            assert await handle.stop(f"because of {function.name}") == "stopping"
            for ended, reason in ((waiting, "not needed"), (handle, f"because of {function.name}")):
                with pytest.raises(FunctionFailed, match=f"was stopped: {reason}$"):
                    await ended.result(SOON)
                assert await ended.status() == "stopped"
            task = await engine.tasks.get(handle.id)
            assert (task.failures, task.losses, task.status_reason) == (0, 0, f"because of {function.name}")
            blocking = handle
        assert blocking is not None
        assert "was told" in await output(engine, blocking.id)
        mark = tmp_path / "mark"
        handle = await stops.dies_once.enqueue(str(mark))
        os.kill(int(await until_file(mark)), 9)
        assert await handle.result(SOON) == 2
        mark.unlink()
        handle = await stops.dies_once.options(retries=0).enqueue(str(mark))
        os.kill(int(await until_file(mark)), 9)
        with pytest.raises(FunctionFailed, match=r"failed: .*SIGKILL"):
            await handle.result(SOON)
