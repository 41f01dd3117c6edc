"""How queues look on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clearq.cli.output import Cell, Column, Output
from clearq.cli.text import age, clean, duration, plural, short_ids, sparkline, when

if TYPE_CHECKING:
    from clearq.engine import QueueSample
    from clearq.models import Queue, Task, Worker

_COLUMNS = (
    Column("NAME", shrinks=True),
    Column("WAITING", right=True),
    Column("HELD", right=True, drop=4),
    Column("DELAYED", right=True, drop=5),
    Column("RUNNING", right=True),
    Column("WORKERS", right=True),
    Column("OLDEST", right=True, drop=2),
    Column("STATE", shrinks=True),
    Column("TAGS", shrinks=True, drop=6),
    Column("ID", shrinks=True, drop=3),
)

_TASKS = (
    Column("PLACE", right=True),
    Column("ID"),
    Column("NAME", shrinks=True),
    Column("PRIORITY", right=True, drop=2),
    Column("GPUS", right=True, drop=3),
    Column("WAITED", right=True, drop=1),
    Column("PROJECT", shrinks=True, drop=4),
)


def queue_table(out: Output, queues: Sequence[Queue], now: float) -> None:
    """One row a queue."""
    rows = [
        (
            queue.name,
            f"{queue.waiting:,}",
            f"{queue.held:,}",
            f"{queue.delayed:,}",
            f"{queue.running:,}",
            f"{queue.workers:,}",
            age(queue.oldest, now),
            _state(queue),
            ", ".join(queue.tags) or "-",
            queue.id,
        )
        for queue in queues
    ]
    out.table(_COLUMNS, rows, empty="there are no queues; make one: clearq queue create NAME")


def queue_page(out: Output, queue: Queue, tasks: Sequence[Task], workers: Sequence[Worker], now: float) -> None:
    """One queue, the tasks in run order, the workers that listen."""
    labels = ", ".join(f"{worker.info.label} ({_takes(worker)})" for worker in workers)
    out.fields(
        [
            ("Name", queue.name),
            ("Id", queue.id),
            ("State", _state(queue)),
            ("Paused", _pause(queue, now)),
            ("Order", "fair: keys take turns" if queue.fair else ""),
            ("Tags", ", ".join(queue.tags)),
            (
                "Waiting",
                f"{queue.waiting:,}" + (f" (oldest {age(queue.oldest, now)})" if queue.oldest else ""),
            ),
            ("Held", f"{queue.held:,} (for a permit of a limit, or for other tasks)" if queue.held else ""),
            ("Delayed", f"{queue.delayed:,}" if queue.delayed else ""),
            ("Running", f"{queue.running:,}"),
            ("Workers", labels or _start_one(queue.name)),
            ("Missing", _missing(queue) if workers else ""),
            ("Created", when(queue.created, now) if queue.created else ""),
        ]
    )
    if not tasks:
        return
    out.heading("Waiting, next to run first")
    short = short_ids(task.id for task in tasks)
    out.table(
        _TASKS,
        [
            (
                str(place),
                short[task.id],
                task.spec.name,
                str(task.priority),
                str(task.spec.needs.gpus or "-"),
                age(task.enqueued, now),
                task.spec.project or "-",
            )
            for place, task in enumerate(tasks, 1)
        ],
        empty="",
    )
    if queue.waiting > len(tasks):
        out.note(f"and {plural(queue.waiting - len(tasks), 'more task')}; --limit shows more")


def history_page(out: Output, queue: Queue, samples: Sequence[QueueSample], since: float) -> None:
    """Curves and their bounds over the period asked for."""
    if not samples:
        out.note(f"no history of queue {queue.name!r} in the last {duration(since)}; agents write it")
        return
    rows = [
        ("waiting", [float(sample.waiting) for sample in samples]),
        ("oldest wait", [sample.oldest_wait for sample in samples]),
        ("running", [float(sample.running) for sample in samples]),
        ("workers", [float(sample.workers) for sample in samples]),
    ]
    curve = max(10, min(60, (out.width or 100) - 40))
    span = samples[-1].at - samples[0].at
    out.say(f"queue {queue.name}: {plural(len(samples), 'sample')} over {duration(span)}")
    out.table(
        [Column(""), Column("CURVE"), Column("NOW", right=True), Column("MOST", right=True)],
        [
            (name, sparkline(values, curve), _value(name, values[-1]), _value(name, max(values)))
            for name, values in rows
        ],
        empty="",
    )


def _value(name: str, value: float) -> str:
    return duration(value) if name == "oldest wait" else f"{value:,.0f}"


def _state(queue: Queue) -> Cell:
    if queue.pause is not None:
        return Cell("paused" + (f": {queue.pause.why}" if queue.pause.why else ""), "yellow")
    if queue.lacks:
        return Cell(f"no {queue.lacks}", "red")
    return Cell("open")


def _pause(queue: Queue, now: float) -> str:
    return "" if queue.pause is None else f"by {queue.pause.by}, {when(queue.pause.at, now)}"


def _quoted(name: str) -> str:
    from shlex import quote

    return quote(clean(name, 120))


#: How to start what a queue lacks; its name follows.
_START = {"agent": "clearq agent --queue", "function worker": "clearq worker run MODULE:APP --queues"}


def _missing(queue: Queue) -> str:
    start = _START.get(queue.lacks)
    return f"{queue.lacks}; start one: {start} {_quoted(queue.name)}" if start else ""


def _takes(worker: Worker) -> str:
    return "functions" if worker.info.kind == "function" else worker.info.kind


def _start_one(queue: str) -> str:
    name = _quoted(queue)
    return f"none; start one: clearq agent --queue {name}; functions: clearq worker run MODULE:APP --queues {name}"
