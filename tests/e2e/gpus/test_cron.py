"""A cron rule of a function that needs GPUs: a function worker keeps it, an agent runs what it enqueues."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from clearq.engine import Engine
from clearq.settings import Settings
from tests.support.agents import Agents, environment, until
from tests.support.fake_nvml import FakeNvml
from tests.support.gpu_functions import write

MODULE = """
import os, pathlib

from clearq import Clearq, current

app = Clearq()


@app.cron("* * * * * *", name="each second")
@app.task(gpus=1, unique="tick", keep_result=60)
def tick() -> None:
    with open(os.environ["MARK"], "a") as file:
        file.write(f"{os.environ['CUDA_VISIBLE_DEVICES']} {current().id}\\n")
"""


async def test_slots_run_on_agents(
    agents: Agents, nvml: FakeNvml, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    folder = write(tmp_path / "code", MODULE, "ticks.py")
    mark = tmp_path / "mark"
    environ = environment(settings, {"PYTHONPATH": str(folder)})
    words = [sys.executable, "-m", "clearq", "worker", "run", "ticks:app"]
    await agents.start("--app", "ticks:app", **nvml.environ, PYTHONPATH=str(folder), MARK=str(mark))
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(words, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:

        async def two() -> list[str]:
            assert worker.poll() is None, (tmp_path / "worker.log").read_text()
            lines = mark.read_text().splitlines() if mark.exists() else []
            return lines if len(lines) >= 2 else []

        lines = await until(two, "two slots have run")
    finally:
        worker.terminate()
        worker.wait(20)
    assert isinstance(lines, list)
    assert {line.split()[0] for line in lines} == {"0"}
    ids = [line.split()[1] for line in lines]
    assert len(set(ids)) == len(ids)
    task = await engine.tasks.get(ids[0])
    assert (task.spec.function.name, task.worker != "") == ("ticks.tick", True)
