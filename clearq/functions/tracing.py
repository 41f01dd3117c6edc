"""OpenTelemetry over the gap between enqueue and run (``pip install 'clearq[otel]'``).

A task that is enqueued within a span carries its ``traceparent``. On the worker, ``app.middleware(traced)`` runs each
call in a span of its own, which is a child of that one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from clearq.functions.context import Context


def traceparent() -> str:
    """The current span as W3C writes it; empty outside one."""
    from opentelemetry import trace

    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return ""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


async def traced(call: Callable[[], Awaitable[Any]], ctx: Context) -> Any:
    """Middleware: a span named as the function, with what it raised."""
    from opentelemetry import trace

    attributes: dict[str, str | int] = {
        "messaging.system": "clearq",
        "messaging.operation": "process",
        "messaging.message.id": ctx.id,
        "clearq.attempt": ctx.attempt,
    }
    tracer = trace.get_tracer("clearq")
    with tracer.start_as_current_span(
        ctx.name, context=_parent(ctx.trace), kind=trace.SpanKind.CONSUMER, attributes=attributes
    ):
        return await call()


def _parent(traceparent: str) -> Any:
    """The caller's span as a context; ``None`` when there was none."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    try:
        _, trace_id, span_id, flags = traceparent.split("-")
        span = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    except ValueError:
        return None
    return set_span_in_context(NonRecordingSpan(span))
