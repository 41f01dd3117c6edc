"""What an agent does with cards that NVML knows: names, UUIDs, metrics, and when a card is free again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from clearq.engine import Engine
from clearq.models import Needs, Status
from clearq.settings import Settings
from tests.support.agents import Agents, clearq, ended, environment, output, shell, until
from tests.support.fake_nvml import FakeNvml

GIB = 2**30

READ = """
import json, dataclasses
from clearq.agent.gpus import Nvml
nvml = Nvml()
cards = nvml.gpus()
print(json.dumps([nvml.failure, [dataclasses.asdict(c) for c in cards],
                  [[dataclasses.asdict(nvml.usage(c.uuid)), nvml.usage(c.uuid).clean] for c in cards]]))
"""


def read(settings: Settings, **environ: str):
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env=environment(settings, environ),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_cards_are_read_with_all_that_the_driver_tells(nvml: FakeNvml, settings: Settings):
    nvml.set((3 * GIB, 4711), (GIB // 10, 0))
    failure, cards, usages = read(settings, **nvml.environ)
    assert failure == ""
    assert cards == [{"index": n, "uuid": f"GPU-fake-{n}", "name": "Fake H100", "memory": 80 * GIB} for n in (0, 1)]
    busy, idle = usages
    assert busy[0]["processes"] == [4711] and busy[0]["memory_used"] == 3 * GIB
    assert (busy[0]["utilization"], busy[0]["temperature"], busy[0]["power"]) == (42, 55, 123.0)
    assert (busy[1], idle[1]) == (False, True)


def test_memory_without_a_process_is_not_clean_either(nvml: FakeNvml, settings: Settings):
    nvml.set((GIB, 0), (0, 4711))
    assert [clean for _, clean in read(settings, **nvml.environ)[2]] == [False, False]


def test_a_driver_that_does_not_work_is_no_gpu_and_says_why(nvml: FakeNvml, settings: Settings):
    failure, cards, _ = read(settings, **nvml.environ, FAKE_NVML_INIT="9")
    assert "Driver" in failure
    assert cards == []


async def test_without_the_flag_an_agent_has_all_gpus(engine: Engine, agents: Agents, nvml: FakeNvml):
    """B-015."""
    agent = await agents.start("--queue", "default", CLEARQ_WORKER_NAME="lab1", **nvml.environ)
    assert await agents.label(agent) == "lab1:gpuall"
    assert (await engine.workers.list())[0].info.gpus == ("GPU-fake-0", "GPU-fake-1")
    task = await engine.tasks.submit(shell("echo $CUDA_VISIBLE_DEVICES"), "default")
    done = await ended(engine, task)
    assert (await output(engine, task)).strip() == "0,1"
    assert "Fake H100" in agent.text()
    assert done.status is Status.COMPLETED


async def test_gpu_metrics_come_with_the_heartbeat(engine: Engine, agents: Agents, nvml: FakeNvml):
    """B-026."""
    nvml.set((20 * GIB, 0), (40 * GIB, 0))
    await agents.start("--queue", "default", CLEARQ_HEARTBEAT="0.3", **nvml.environ)

    async def measured() -> bool:
        return "gpu" in (await engine.workers.list())[0].metrics

    await until(measured, "GPU metrics")
    metrics = (await engine.workers.list())[0].metrics
    assert (metrics["gpu"], metrics["gpu_memory"], metrics["gpu1_power"]) == (42.0, 37.5, 123.0)


async def test_a_gpu_that_the_machine_lacks_is_refused(nvml: FakeNvml, settings: Settings):
    refused = await asyncio.to_thread(clearq, settings, "agent", "daemon", "--gpus", "0,5", **nvml.environ)
    assert refused.returncode == 2
    assert "no GPU 5" in refused.stderr and "Fake H100" in refused.stderr


async def test_a_card_is_given_to_the_next_task_only_when_it_is_seen_clean(
    engine: Engine, agents: Agents, nvml: FakeNvml
):
    nvml.set((GIB, os.getpid()), (0, 0))  # what the first task is going to leave behind
    first = await engine.tasks.submit(shell("true", gpus=1), "default")
    second = await engine.tasks.submit(shell("true", gpus=1), "default")
    await agents.start("--queue", "default", "--gpus", "0,1", **nvml.environ)
    ending = await ended(engine, first)
    held = await engine.attempts.gpus(ending.host_id)
    assert set(held) == {"GPU-fake-0", "GPU-fake-1"}
    assert set(held.values()) == {f"draining {first} {ending.fence}"}
    assert (await engine.tasks.get(second)).status is Status.QUEUED
    nvml.set((0, 0), (0, 0))
    assert (await ended(engine, second)).status is Status.COMPLETED


async def test_the_next_agent_frees_cards_that_a_dead_one_left_draining(engine: Engine, agents: Agents, nvml: FakeNvml):
    nvml.set((GIB, 0), (0, 0))
    first = await engine.tasks.submit(shell("true", gpus=1), "default")
    agent = await agents.start("--queue", "default", "--gpus", "0", **nvml.environ)
    ending = await ended(engine, first)
    agent.kill()
    assert await engine.attempts.gpus(ending.host_id)
    nvml.set((0, 0), (0, 0))
    await agents.start("--queue", "default", "--gpus", "0", **nvml.environ)
    second = await engine.tasks.submit(shell("true", gpus=1), "default")
    assert (await ended(engine, second)).status is Status.COMPLETED


@pytest.mark.parametrize(("kind", "runs"), [("h100", True), ("A100", False)])
async def test_the_type_of_a_card_is_looked_at(engine: Engine, agents: Agents, nvml: FakeNvml, kind: str, runs: bool):
    spec = shell("true").model_copy(update={"needs": Needs(gpus=1, gpu_type=kind, gpu_memory=60 * GIB)})
    asked = await engine.tasks.submit(spec, "default")
    behind = await engine.tasks.submit(shell("true"), "default")
    await agents.start("--queue", "default", **nvml.environ)
    assert (await ended(engine, behind)).status is Status.COMPLETED
    assert ((await engine.tasks.get(asked)).status is Status.COMPLETED) == runs
