"""How workers look on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from clearq.cli.output import Cell, Column, Output, status_cell
from clearq.cli.text import age, duration, plural, short_ids, size, sparkline, when

if TYPE_CHECKING:
    from clearq.engine import WorkerSample
    from clearq.models import Task, Worker

_COLUMNS = (
    Column("WORKER", shrinks=True),
    Column("STATE"),
    Column("TASK", shrinks=True),
    Column("TIME", right=True),
    Column("ITERATION", right=True, drop=4),
    Column("QUEUES", shrinks=True, drop=1),
    Column("BUSY", right=True, drop=2),
    Column("GPUS", right=True, drop=3),
    Column("SEEN", right=True, drop=5),
)

_TASKS = (
    Column("ID"),
    Column("NAME", shrinks=True),
    Column("STATUS"),
    Column("TIME", right=True),
    Column("ITERATION", right=True, drop=1),
    Column("PROJECT", shrinks=True, drop=2),
)


_NONE = "no worker is running; start one: clearq agent --queue default; functions: clearq worker run MODULE:APP"


def worker_table(
    out: Output, workers: Sequence[Worker], tasks: Mapping[str, Task], queues: Mapping[str, str], now: float
) -> None:
    """One row a worker: what it runs, for how long, at which iteration."""
    rows = []
    for worker in workers:
        held = [tasks[each] for each in worker.tasks if each in tasks]
        first = held[0] if held else None
        more = f" (+{len(held) - 1})" if len(held) > 1 else ""
        rows.append(
            (
                worker.info.label,
                _state(worker),
                first.spec.name[:200] + more if first else "-",
                _elapsed(first, now),
                _iteration(first),
                _queues(worker, queues) or "-",
                f"{len(worker.tasks)}/{worker.info.slots}",
                str(len(worker.info.gpus) or "-"),
                age(worker.last_seen, now),
            )
        )
    out.table(_COLUMNS, rows, empty=_NONE)


def worker_page(
    out: Output,
    worker: Worker,
    tasks: Mapping[str, Task],
    queues: Mapping[str, str],
    now: float,
    samples: Sequence[WorkerSample],
) -> None:
    """One worker: itself, its machine, its tasks, its utilisation."""
    info = worker.info
    out.fields(
        [
            ("Worker", info.label),
            ("Id", worker.id),
            ("State", _state(worker)),
            ("Doing", "" if worker.tasks and worker.state == "idle" else worker.state),
            ("Kind", f"{info.kind}, clearq {info.version}" if info.version else info.kind),
            ("Host", f"{info.host}, process {info.pid}" if info.pid else info.host),
            ("Queues", _queues(worker, queues)),
            ("Slots", f"{len(worker.tasks)} of {info.slots} busy"),
            ("GPUs", ", ".join(info.gpus)),
            ("Tags", ", ".join(info.tags)),
            ("Started", when(worker.started, now) if worker.started else ""),
            ("Last seen", when(worker.last_seen, now) if worker.last_seen else ""),
        ]
    )
    held = [tasks[each] for each in worker.tasks if each in tasks]
    if held:
        short = short_ids(task.id for task in held)
        out.heading("Runs")
        out.table(
            _TASKS,
            [
                (
                    short[task.id],
                    task.spec.name,
                    status_cell(str(task.stage or task.status)),
                    _elapsed(task, now),
                    _iteration(task),
                    task.spec.project or "-",
                )
                for task in held
            ],
            empty="",
        )
    if worker.metrics:
        out.heading("Machine")
        out.fields([(name, _metric(name, value)) for name, value in sorted(worker.metrics.items())])
    _utilisation(out, samples)


def _utilisation(out: Output, samples: Sequence[WorkerSample]) -> None:
    if len(samples) < 2:
        return
    out.heading(f"Last {duration(samples[-1].at - samples[0].at)}, {plural(len(samples), 'sample')}")
    series: list[tuple[str, Callable[[float], str], list[float]]] = [
        ("busy slots", _number, [sample.busy for sample in samples]),
        ("cpu", _percent, [sample.cpu for sample in samples]),
        ("memory", _percent, [sample.memory for sample in samples]),
        ("gpu", _percent, [sample.gpu for sample in samples]),
    ]
    curve = max(10, min(60, (out.width or 100) - 40))
    out.table(
        [Column(""), Column("CURVE"), Column("NOW", right=True), Column("MOST", right=True)],
        [
            (name, sparkline(values, curve), shown(values[-1]), shown(max(values)))
            for name, shown, values in series
            if any(values) or name == "busy slots"
        ],
        empty="",
    )


def _state(worker: Worker) -> Cell:
    if not worker.alive:
        return Cell("gone", "red")
    return Cell("working", "cyan") if worker.tasks else Cell("idle", "green")


def _queues(worker: Worker, names: Mapping[str, str]) -> str:
    return ", ".join(dict.fromkeys(names.get(lane.queue, lane.queue) for lane in worker.info.lanes))


def _elapsed(task: Task | None, now: float) -> str:
    return "-" if task is None or task.started is None else duration(now - task.started)


def _iteration(task: Task | None) -> str:
    return "-" if task is None or task.last_iteration is None else f"{task.last_iteration:,}"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _metric(name: str, value: float) -> str:
    if name.endswith(("_bytes", "bytes")):
        return size(value)
    return f"{value:,.1f}".removesuffix(".0")
