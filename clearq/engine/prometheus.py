"""Figures in Prometheus' text format (version 0.0.4). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from clearq.engine.figures import Figures
from clearq.engine.tally import BOUNDS, Histogram, Series
from clearq.models.queue import Queue
from clearq.models.worker import Worker

#: What a web server says this text is.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Metric:
    """One family: its name, what it means, and its values by labels."""

    name: str
    help: str
    values: Iterable[tuple[dict[str, str], float]]
    type: Literal["gauge", "counter"] = "gauge"


def render(figures: Figures) -> str:
    """The whole text; ends with a newline."""
    return "".join(line + "\n" for family in _metrics(figures) for line in _lines(family))


@dataclass(frozen=True)
class Buckets:
    """A family of histograms in seconds: its name, what it means, and each by labels."""

    name: str
    help: str
    values: Iterable[tuple[dict[str, str], Histogram]]


def _metrics(figures: Figures) -> Iterator[Metric | Buckets]:
    yield from _of_queues(figures)
    yield from _of_workers(figures)
    yield Metric("clearq_dead_tasks", "Tasks set aside: out of retries or lost too often.", [({}, figures.dead)])
    yield Metric("clearq_lost_attempts", "Attempts whose holder is silent.", [({}, figures.lost)])
    yield from _histograms(figures)
    counts = sorted(figures.functions.items())
    yield Metric(
        "clearq_function_events",
        f"What happened to functions in the last {figures.window:g} seconds.",
        [({"function": function, "event": event}, count) for (function, event), count in counts],
    )


def _of_queues(figures: Figures) -> Iterator[Metric]:
    def gauge(name: str, help: str, value: Callable[[Queue], float]) -> Metric:
        return Metric(f"clearq_queue_{name}", help, [({"queue": each.name}, value(each)) for each in figures.queues])

    def age(queue: Queue) -> float:
        return 0.0 if queue.oldest is None else max(0.0, figures.at - queue.oldest)

    yield gauge("waiting", "Tasks that could run now.", lambda queue: queue.waiting)
    yield gauge("held", "Tasks that wait for a permit of a limit, or for others.", lambda queue: queue.held)
    yield gauge("delayed", "Tasks that are not due yet.", lambda queue: queue.delayed)
    yield gauge("running", "Tasks in progress.", lambda queue: queue.running)
    yield gauge("workers", "Living workers that listen.", lambda queue: queue.workers)
    yield gauge("paused", "1 when the queue is paused.", lambda queue: queue.pause is not None)
    yield gauge("oldest_seconds", "How long the task that waits longest has waited.", age)


def _of_workers(figures: Figures) -> Iterator[Metric]:
    functions = [worker for worker in figures.workers if worker.info.kind == "function"]

    def metric(name: str, help: str, value: Callable[[Worker], float], all: bool = False) -> Metric:
        chosen = figures.workers if all else functions
        kind: Literal["gauge", "counter"] = "counter" if name.endswith("_total") else "gauge"
        return Metric(f"clearq_worker_{name}", help, [(_names(each), value(each)) for each in chosen], kind)

    def told(name: str) -> Callable[[Worker], float]:
        return lambda worker: worker.metrics.get(name, 0.0)

    def silent(worker: Worker) -> float:
        return 0.0 if worker.last_seen is None else max(0.0, figures.at - worker.last_seen)

    yield metric("slots", "Tasks that it runs at once.", lambda worker: worker.info.slots, all=True)
    yield metric("silent_seconds", "Time since its last heartbeat.", silent, all=True)
    yield metric("busy", "Functions that run.", told("busy"))
    yield metric("ready", "Functions claimed and not started.", told("ready"))
    yield metric("calls_total", "Attempts that have ended since it began.", told("done"))
    yield metric("failures_total", "Attempts that failed, those that are retried included.", told("failed"))
    yield metric("run_seconds_total", "Time that ended attempts ran, summed up.", told("run_seconds"))
    yield metric(
        "lag_seconds_total",
        "Time from when they could have run to their start, of attempts, summed up.",
        told("lag_seconds"),
    )


def _histograms(figures: Figures) -> Iterator[Metric | Buckets]:
    names = {queue.id: queue.name for queue in figures.queues}

    def chosen(kind: str) -> list[tuple[Series, Histogram]]:
        found = [(series, each) for series, each in figures.histograms.items() if series.kind == kind]
        return sorted(found, key=lambda pair: pair[0])

    def queue(series: Series) -> str:
        return names.get(series.queue, series.queue)

    yield Buckets(
        "clearq_task_duration_seconds",
        "Time that attempts of functions ran, by how they ended: complete, retry, fail, stop, release.",
        [
            ({"function": each.function, "queue": queue(each), "outcome": each.outcome}, found)
            for each, found in chosen("end")
        ],
    )
    yield Metric(
        "clearq_task_losses_total",
        "Attempts of functions that were lost with their worker; how long they ran is not known.",
        [({"function": each.function, "queue": queue(each)}, sum(found.counts)) for each, found in chosen("lost")],
        "counter",
    )
    yield Buckets(
        "clearq_task_lag_seconds",
        "Time from the moment that a function could run (enqueue; end of its delay, pause or wait) to its start.",
        [({"queue": queue(each)}, found) for each, found in chosen("lag")],
    )


def _names(worker: Worker) -> dict[str, str]:
    return {"worker": worker.info.label, "kind": worker.info.kind}


def _lines(family: Metric | Buckets) -> Iterator[str]:
    samples = list(_samples(family))
    if not samples:
        return
    yield f"# HELP {family.name} {_escaped(family.help, quotes=False)}"
    yield f"# TYPE {family.name} {family.type if isinstance(family, Metric) else 'histogram'}"
    for name, labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{shown}}} {_number(value)}" if shown else f"{name} {_number(value)}"


def _samples(family: Metric | Buckets) -> Iterator[tuple[str, dict[str, str], float]]:
    if isinstance(family, Metric):
        for labels, value in family.values:
            yield family.name, labels, value
        return
    for labels, histogram in family.values:
        bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        for bound, count in zip(bounds, accumulate(histogram.counts), strict=True):
            yield f"{family.name}_bucket", {**labels, "le": bound}, count
        yield f"{family.name}_sum", labels, histogram.total
        yield f"{family.name}_count", labels, sum(histogram.counts)


def _escaped(text: str, *, quotes: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(float(value), 6))
