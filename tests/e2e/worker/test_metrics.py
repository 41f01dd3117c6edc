"""What a worker tells monitoring of the functions it has run."""

from __future__ import annotations

from clearq.engine.prometheus import render
from tests.support.agents import until
from tests.support.functions import Workers


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
