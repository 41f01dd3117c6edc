"""Traces go on over the queue. Needs the ``otel`` extra."""

from __future__ import annotations

from typing import Any

import pytest

from clearq import Clearq
from clearq.functions.options import trace_of
from clearq.testing import simulate

trace = pytest.importorskip("opentelemetry.trace")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


async def test_the_run_is_a_child_of_the_enqueue(spans: Any) -> None:
    from clearq.functions.tracing import traced

    app = Clearq("redis://nowhere.invalid:1")
    app.middleware(traced)

    @app.task(retries=2)
    async def job() -> None: ...

    @app.task
    async def broken() -> None:
        raise ValueError("no")

    async with simulate(app) as sim:
        with trace.get_tracer("test").start_as_current_span("caller") as caller:
            call = job.options(retries=1).call().call
            await job.enqueue()
        await broken.enqueue()
        await sim.run_until_idle()
    assert trace_of(call.extra["options"].encode()).split("-")[1] == f"{caller.get_span_context().trace_id:032x}"
    found = {span.name: span for span in spans.get_finished_spans()}
    assert found[job.name].parent.span_id == found["caller"].context.span_id
    assert found[job.name].attributes["clearq.attempt"] == 1
    assert found[broken.name].parent is None
    assert found[broken.name].status.description == "ValueError: no"


def test_outside_a_span_a_task_stays_lean() -> None:
    app = Clearq("redis://nowhere.invalid:1")

    @app.task
    async def job() -> None: ...

    assert dict(job.call().call.extra) == {}
