"""One soak: a worker of two processes, calls of all kinds, one process killed again and again, memory watched."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.storage import embedded
from tests.benchmarks.common import Place
from tests.benchmarks.soak import app as tasks
from tests.benchmarks.soak.app import KEEP
from tests.benchmarks.soak.calls import Calls
from tests.benchmarks.soak.ledger import Ledger
from tests.benchmarks.soak.leftovers import leftovers
from tests.benchmarks.soak.memory import Memory
from tests.support.functions import is_spare

APP = "tests.benchmarks.soak.app:app"


@dataclass(frozen=True)
class Extent:
    """How long and how hard."""

    seconds: float
    rate: float = 150.0  #: calls a second, if the machine can
    callers: int = 40  #: that wait for their results at the same time
    kill_every: float = 20.0  #: seconds
    sample_every: float = 10.0  #: seconds
    seed: int = 1


@dataclass
class Soaked:
    """What came out."""

    ledger: Ledger
    memory: Memory
    seconds: float = 0.0
    kills: int = 0
    slots: int = 0  #: of cron, that ran
    left: list[str] = field(default_factory=list)  #: keys that should be gone
    keys: tuple[int, int] = (0, 0)  #: before the first call, and after the lifetime of the last result


async def soak(place: Place, extent: Extent, note: Callable[[str], None], *, outlive: bool) -> Soaked:
    """Run one; with ``outlive`` wait in the end until the last result has expired."""
    folder = place.settings.home / "soak"
    folder.mkdir(parents=True)
    result = Soaked(Ledger(folder), Memory())
    server = await embedded.find(place.settings)
    assert server is not None
    tasks.app.settings = place.settings.model_copy(update={"url": SecretStr(server.url)})
    calls = Calls(result.ledger, random.Random(extent.seed))
    began = time.monotonic()
    try:
        async with place.worker(APP, processes=2, SOAK_FOLDER=str(folder)) as process:
            before = await place.engine.storage.command("DBSIZE")
            watching = [
                asyncio.create_task(_kill(process, extent, result)),
                asyncio.create_task(_watch(place.engine, process, extent, result, note)),
            ]
            await _load(calls, extent)
            for job in watching:
                job.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            for job in watching:
                if not job.cancelled() and (error := job.exception()) is not None:
                    raise error
            result.ledger.settle()
            await _check_ticks(place.engine, result)
        result.seconds = time.monotonic() - began
        async with place.worker(APP, "--burst", SOAK_FOLDER=str(folder)) as process:  # the last slots of cron
            await asyncio.to_thread(process.wait)
    finally:
        await tasks.app.close()
    if outlive:
        await asyncio.sleep(KEEP + 5)
    result.left = await leftovers(place.engine)
    result.keys = before, await place.engine.storage.command("DBSIZE")
    return result


async def _load(calls: Calls, extent: Extent) -> None:
    """So many callers, each with one call after another, at the rate all together."""
    until = time.monotonic() + extent.seconds
    pause = extent.callers / extent.rate

    async def caller() -> None:
        next_at = time.monotonic() + random.uniform(0, pause)
        while next_at < until:
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            await calls.one()
            next_at = max(next_at + pause, time.monotonic())

    await asyncio.gather(*(caller() for _ in range(extent.callers)))


async def _kill(worker: psutil.Process, extent: Extent, result: Soaked) -> None:
    """The younger of the two processes, so that the older one shows whether it grows."""
    while True:
        await asyncio.sleep(extent.kill_every)
        running = [process for process in worker.children() if not is_spare(process)]
        children = sorted(running, key=lambda process: process.create_time())
        if len(children) == 2:
            with contextlib.suppress(psutil.NoSuchProcess):
                children[-1].kill()
                result.kills += 1


async def _watch(
    engine: Engine,
    worker: psutil.Process,
    extent: Extent,
    result: Soaked,
    note: Callable[[str], None],
) -> None:
    """Settle every second, sample the memory now and then."""
    sampled = told = time.monotonic()
    while True:
        await asyncio.sleep(1.0)
        result.ledger.settle()
        await _check_ticks(engine, result)
        now = time.monotonic()
        if now - sampled >= extent.sample_every:
            sampled = now
            await result.memory.sample(engine, worker)
        if now - told >= 60:
            told = now
            note(_line(result))


async def _check_ticks(engine: Engine, result: Soaked) -> None:
    """Each slot of cron once."""
    for id, (starts, losses) in result.ledger.ticks().items():
        slot = await engine.storage.command("HGET", engine.storage.keys("t", id), "slot")
        if slot is None or starts > 1 + losses:
            result.ledger.fault("doubled", f"the slot {slot} of cron, task {id}, started {starts} times")
        result.slots += 1


def _line(result: Soaked) -> str:
    taken = {name: f"{values[-1]:,.0f}" for name, values in result.memory.taken.items()}
    ledger = result.ledger
    return f"{ledger.asked:,} calls, {result.kills} kills, faults {ledger.faults[:3]}; {taken}"
