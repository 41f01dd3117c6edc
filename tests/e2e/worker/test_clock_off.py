"""Hosts whose clocks are an hour off, in both directions: every time that counts is the server's."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.agents import until
from tests.support.functions import WorkerProcess, Workers

HOUR = 3600

#: Python imports it at its start. clearq takes the time of day from ``time`` only.
SHIFT = """
import os, time
shift, now, now_ns = int(os.environ.get("SHIFT", "0")), time.time, time.time_ns
time.time = lambda: now() + shift
time.time_ns = lambda: now_ns() + shift * 10**9
"""

TASKS = """
@app.task(name="waited")
async def waited() -> float:
    \"\"\"Seconds since it was enqueued, by the server's clock.\"\"\"
    second, micro = await (await app.engine()).storage.command("TIME")
    return int(second) + int(micro) / 1e6 - current().enqueued

@app.task(name="late", delay=1.0)
async def late() -> float:
    return await waited()

@app.task(name="again", retries=1, retry_delay=0.5, retry_jitter=0)
async def again() -> float:
    if not current().failures:
        raise ValueError("not yet")
    return await waited()

@app.task(name="rare", unique="rare {by}", unique_mode="time", unique_for=600)
async def rare(by: str) -> None:
    pass

@app.task(name="blocks")
async def blocks() -> str:
    mark("blocks")
    time.sleep(3)
    return "done"

@app.cron("* * * * * *", name="tick")
@app.task(name="tick")
async def tick() -> None:
    mark("tick", current().id)
"""

CLIENT = """
import asyncio, json, os
from clearq.errors import FunctionFailed, WaitTimeout
import jobs

async def main():
    async with jobs.app:
        handles = {name: await getattr(jobs, name).enqueue() for name in ("waited", "late", "again", "sleepy")}
        await jobs.rare.enqueue(os.environ["SHIFT"])
        again = await jobs.rare.enqueue(os.environ["SHIFT"])
        told = {"waited_id": handles["waited"].id, "duplicate": again.duplicate}
        held = await jobs.hold.enqueue(1)
        try:
            await held.result(0.3)
        except WaitTimeout:
            told["timeout"] = True
        for name in ("waited", "late", "again"):
            told[name] = await handles[name].result(60)
        try:
            await handles["sleepy"].result(60)  # a blocked loop would keep its time-out from it
        except FunctionFailed as error:
            told["sleepy"] = str(error)
        jobs.mark("ready")
        while open(jobs.FOLDER + "/marks").read().count("ready") < 2:  # nor shall it be kept from the other client's
            await asyncio.sleep(0.05)
        blocks = await jobs.blocks.enqueue()
        told["blocks"] = await blocks.result(60)
        print(json.dumps(told))

asyncio.run(main())
"""


@pytest.fixture
def shifted(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Processes that it starts have a clock that is ``SHIFT`` seconds off."""
    (workers.folder / "sitecustomize.py").write_text(SHIFT)
    app = workers.folder / "jobs.py"
    app.write_text(app.read_text() + TASKS)
    monkeypatch.setenv("PYTHONPATH", f"{workers.folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("MARKS", str(workers.folder))
    return workers


def client(workers: Workers, shift: int) -> dict[str, Any]:
    """What a client process with that clock sees."""
    settings = workers.settings
    environ = {
        **os.environ,
        "SHIFT": str(shift),
        "CLEARQ_URL": settings.url.get_secret_value(),
        "CLEARQ_NAMESPACE": settings.namespace,
        "CLEARQ_HOME": str(settings.home),
    }
    words = [sys.executable, "-c", CLIENT]
    done = subprocess.run(words, cwd=workers.folder, env=environ, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


async def test_clocks_of_workers_and_clients_do_not_count(shifted: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker and one client are an hour ahead, the others an hour behind."""
    started = []
    for name, shift in (("a", HOUR), ("b", -HOUR)):
        monkeypatch.setenv("SHIFT", str(shift))
        started.append(await shifted.start("--name", name))
    monkeypatch.setenv("SHIFT", "0")
    both = await asyncio.gather(*(asyncio.to_thread(client, shifted, shift) for shift in (HOUR, -HOUR)))

    for told in both:
        assert told["waited"] < HOUR / 2
        assert 1.0 <= told["late"] < HOUR / 2
        assert 0.5 <= told["again"] < HOUR / 2
        assert (told["duplicate"], told["timeout"], told["blocks"]) == (True, True, "done")
        assert told["sleepy"].endswith("timed out after 0.2 s")
        await kept_for_an_hour(shifted, told["waited_id"])
    assert shifted.marks["blocks "] == 2, "leases held though they blocked for longer than the window"
    await fired_on_time(shifted)
    await no_hour_of_lag(shifted)
    for worker in started:
        alive(worker)


async def kept_for_an_hour(workers: Workers, id: str) -> None:
    """A result's lifetime is counted by the server from its end."""
    storage = workers.engine.storage
    left = await storage.command("PTTL", storage.keys("t", id))
    assert HOUR * 500 < left <= HOUR * 1000


async def fired_on_time(workers: Workers) -> None:
    """Slots of cron come by the server's clock, each once."""
    await workers.marked("tick", 2)
    second, _ = await workers.engine.storage.command("TIME")
    ticks = [mark.split()[1] for mark in workers.marks if mark.startswith("tick ")]
    slots = [int((await workers.fields(id))["slot"]) / 1000 for id in ticks]
    assert all(abs(slot - int(second)) < HOUR / 2 for slot in slots)
    assert len(set(slots)) == len(slots)


async def no_hour_of_lag(workers: Workers) -> None:
    """What the workers tell monitoring of their waits and runs."""

    async def told() -> list[dict[str, float]]:
        found = [worker.metrics for worker in (await workers.engine.figures.take()).workers]
        return found if sum(metrics.get("done", 0) for metrics in found) >= 6 else []

    metrics = await until(told, "heartbeats tell of what has run")
    assert isinstance(metrics, list)
    assert all(each["lag_seconds"] < HOUR / 2 and each["run_seconds"] < HOUR / 2 for each in metrics)


def alive(worker: WorkerProcess) -> None:
    """It was never thought dead."""
    assert worker.process.poll() is None
    assert "thought dead" not in worker.text()
    assert "no longer ours" not in worker.text()
