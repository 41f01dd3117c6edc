"""What a worker tells monitoring of the functions it has run: to the server, and at an endpoint of its own."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from clearq.engine.prometheus import render
from tests.support.agents import until
from tests.support.functions import WorkerProcess, Workers

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """Every sample; the parser refuses what is no text format."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def scraped(worker: WorkerProcess) -> Samples:
    where = re.search(r"http://\S+/metrics", worker.text())
    assert where, worker.text()
    async with aiohttp.ClientSession() as session, session.get(where[0]) as answer:
        assert answer.status == 200
        return parsed(await answer.text())


async def test_durations_and_lag_are_summed_up(workers: Workers) -> None:
    ids = [await workers.enqueue("sleepy"), await workers.enqueue("count", 1)]
    await workers.start("--name", "w")
    await workers.ended(*ids)

    async def told() -> dict[str, float]:
        [worker] = (await workers.engine.figures.take()).workers
        return worker.metrics if worker.metrics.get("done") == 2 else {}

    metrics = await until(told, "a heartbeat tells of both")
    assert isinstance(metrics, dict)
    assert metrics["failed"] == 1
    assert metrics["run_seconds"] > 0
    assert metrics["lag_seconds"] > 0, "both waited for the worker"
    assert 'clearq_function_events{function="sleepy",event="fail"} 1\n' in render(await workers.engine.figures.take())


async def test_histograms_of_the_worker_and_of_all_that_ever_ran(workers: Workers) -> None:
    await workers.engine.queues.create("other")
    first = await workers.start("--name", "w", "--queues", "default,other", "--metrics", "0")
    ids = [await workers.enqueue("sleepy"), await workers.enqueue("second_time")]
    ids += [await workers.enqueue("count", number, queue="other") for number in range(3)]
    ids.append(await workers.enqueue("count", 9, delay=3.0))
    await workers.ended(*ids)
    ends = "clearq_task_duration_seconds"

    async def all_told() -> Samples:
        samples = await scraped(first)
        done = sum(value for (name, _), value in samples.items() if name == ends + "_count")
        return samples if done == 8 else {}

    samples = await until(all_told, "its children have told of all eight attempts")
    assert isinstance(samples, dict)
    for function, queue, outcome, count in (
        ("sleepy", "default", "fail", 1),
        ("second_time", "default", "retry", 2),
        ("second_time", "default", "complete", 1),
        ("count", "other", "complete", 3),
        ("count", "default", "complete", 1),
    ):
        labels = {"function": function, "queue": queue, "outcome": outcome}
        assert of(samples, ends + "_count", **labels) == count
        assert of(samples, ends + "_bucket", **labels, le="+Inf") == count
    slow = {"function": "sleepy", "queue": "default", "outcome": "fail"}
    assert of(samples, ends + "_bucket", **slow, le="0.1") == 0, "it ran for 0.2 s"
    assert of(samples, ends + "_sum", **slow) >= 0.2
    assert of(samples, "clearq_task_lag_seconds_bucket", queue="default", le="2.5") == 5, "a delay is no lag"
    assert of(samples, "clearq_queue_waiting", queue="other") == 0
    assert of(samples, "clearq_worker_calls_total", worker="w0", kind="function") >= 0

    assert await asyncio.to_thread(first.stop) == 0
    second = await workers.start("--metrics", "0")
    fleet = parsed(render(await workers.engine.figures.take()))
    # Sums are kept in whole microseconds.
    assert {key: value for key, value in fleet.items() if key[0].startswith("clearq_task_")} == pytest.approx(
        {key: value for key, value in samples.items() if key[0].startswith("clearq_task_")}, abs=1e-4
    )
    assert not [name for name, _ in await scraped(second) if name.startswith(ends)], "it has run nothing itself"
