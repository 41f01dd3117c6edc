"""``clearq metrics`` from outside."""

from __future__ import annotations

from clearq.engine import Engine
from clearq.engine.calls import Call, End
from clearq.engine.ids import new_id
from clearq.models import Lane, WorkerInfo
from tests.integration.cli.conftest import Shell


async def test_what_a_worker_and_its_queue_have_done(shell: Shell, engine: Engine) -> None:
    calls = [Call(new_id(), "app.f", b"[]") for _ in range(3)]
    await engine.functions.enqueue_many(calls)
    lanes = (Lane(queue="default", kind="function"),)
    holder = await engine.workers.register(WorkerInfo(label="w0", kind="function", lanes=lanes, slots=2))
    turn = await engine.functions.turn(holder, [("default", 2)], 2)
    await engine.functions.turn(
        holder, [("default", 2)], 0, [End(given.id, given.fence, "complete", b"1") for given in turn.claims[:1]]
    )
    await engine.workers.beat(holder, {}, metrics={"busy": 1, "done": 1, "run_seconds": 0.5})
    lines = (await shell("metrics")).out.splitlines()
    for wanted in (
        'clearq_queue_waiting{queue="default"} 1',
        'clearq_queue_running{queue="default"} 1',
        'clearq_queue_workers{queue="default"} 1',
        'clearq_worker_calls_total{worker="w0",kind="function"} 1',
        'clearq_worker_run_seconds_total{worker="w0",kind="function"} 0.5',
        'clearq_function_events{function="app.f",event="queued"} 3',
        'clearq_function_events{function="app.f",event="complete"} 1',
    ):
        assert wanted in lines
    [age] = [line for line in lines if line.startswith('clearq_queue_oldest_seconds{queue="default"}')]
    assert float(age.split()[-1]) > 0
    found = (await shell("metrics", "--since", "10m", "--json")).json
    assert {"function": "app.f", "event": "complete", "count": 1} in found["functions"]
