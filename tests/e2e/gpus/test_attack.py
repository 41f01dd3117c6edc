"""SIGKILL at random moments to whatever works on functions with GPUs: none is lost, none runs twice unsaid."""

from __future__ import annotations

import asyncio
import importlib
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from clearq import gather
from clearq.agent.folders import AttemptFolder
from clearq.engine import Engine
from clearq.settings import Settings
from clearq.storage.census import take
from tests.support.agents import AgentProcess, Agents, until
from tests.support.fake_nvml import FakeNvml
from tests.support.gpu_functions import write
from tests.support.long import examples

CALLS, KILLS = examples(6, 20), examples(9, 60)

#: Seconds for all calls.
SOON = 40.0 + 15.0 * CALLS

#: Each attempt holds its card and its number; two at once on one would be seen.
MODULE = """
import asyncio, fcntl, os, pathlib

from clearq import Clearq, current

app = Clearq()
FOLDER = pathlib.Path(os.environ.get("MARKS", "."))


def mark(*words):
    with open(FOLDER / "marks", "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")


def hold(name):
    file = open(FOLDER / name, "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        mark("overlap", name)
    return file


@app.task(gpus=1, retries=1000, retry_delay=0.05, losses=1000)
async def step(number: int) -> int:
    held = [hold("card" + os.environ["CUDA_VISIBLE_DEVICES"]), hold(f"number{number}")]
    mark("begin", number, current().failures, current().losses)
    await asyncio.sleep(0.5)
    mark("end", number)
    return number * number
"""


class Attack:
    """Two agents with a card each, and a hand that kills."""

    def __init__(self, agents: Agents, nvml: FakeNvml, folder: Path, seed: int) -> None:
        self.agents, self.nvml, self.folder = agents, nvml, folder
        self.random = random.Random(seed)
        self.running: dict[str, AgentProcess] = {}
        self.killed = Counter[str]()

    async def start(self, card: str) -> None:
        environ = {"PYTHONPATH": str(self.folder), "MARKS": str(self.folder)}
        environ |= {"CLEARQ_HEARTBEAT": "1", "CLEARQ_DEAD_AFTER": "6", **self.nvml.environ}
        self.running[card] = await self.agents.start("--app", "steps:app", "--gpus", card, **environ)

    async def strike(self) -> None:
        """One kill."""
        match self.random.choice(("process", "supervisor", "agent")):
            case "agent":
                card = self.random.choice(sorted(self.running))
                self.running[card].kill()
                self.killed["agent"] += 1
                await asyncio.sleep(self.random.random())
                await self.start(card)
            case which:
                folders = AttemptFolder.all(self.agents.settings.home)
                files = [folder.main() if which == "process" else folder.supervisor() for folder in folders]
                living = {process.pid for process in self.agents.processes()}
                mine = living & {file.pid for file in files if file is not None}
                if mine:
                    os.kill(self.random.choice(sorted(mine)), signal.SIGKILL)
                    self.killed[which] += 1


@pytest.fixture
def steps(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = write(tmp_path / "code", MODULE, "steps.py")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "steps", raising=False)
    module = importlib.import_module("steps")
    module.app.settings = settings
    return module


async def test_nothing_is_lost_and_no_card_stays_taken(
    agents: Agents, steps: ModuleType, engine: Engine, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    folder = tmp_path / "code"
    attack = Attack(agents, FakeNvml(tmp_path / "cards", count=2), folder, seed)
    async with steps.app:
        for card in "01":
            await attack.start(card)
        handles = await steps.app.enqueue_many(steps.step.call(number) for number in range(CALLS))
        results = asyncio.ensure_future(gather(*handles, timeout=SOON))
        while attack.killed.total() < KILLS and not results.done():
            await asyncio.sleep(attack.random.uniform(0.0, 0.6))
            await attack.strike()
        assert await results == [number * number for number in range(CALLS)]
    print(attack.killed)

    async def settled() -> bool:
        keys = await engine.storage.command("KEYS", engine.storage.keys("gpus", "*"))
        return (
            not keys
            and not (await take(engine.storage)).misplaced
            and not list(AttemptFolder.all(agents.settings.home))
        )

    await until(settled, "all cards are free, and nothing is left of any attempt", SOON)
    lines = [line.split() for line in (folder / "marks").read_text().splitlines()]
    assert [line for line in lines if line[0] == "overlap"] == []
    begun = Counter(tuple(line[1:]) for line in lines if line[0] == "begin")
    assert {what: count for what, count in begun.items() if count > 1} == {}, "a rerun that nobody was told of"
    for number, handle in enumerate(handles):
        task = await engine.tasks.get(handle.id)
        begins = sum(line[:2] == ["begin", str(number)] for line in lines)
        assert 1 <= begins <= 1 + task.failures + task.losses
    queue = await engine.queues.get("default")
    assert (queue.waiting, queue.delayed, queue.running) == (0, 0, 0)
