"""How tasks look on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import join
from typing import TYPE_CHECKING

from clearq.cli.output import Cell, Column, Output, status_cell
from clearq.cli.text import age, duration, plural, short_ids, size, when

if TYPE_CHECKING:
    from clearq.models import ArtifactInfo, ScalarSummary, Script, Task, TaskSpec

#: Characters of a name or value on a page; --json has the whole.
LONG = 500

_COLUMNS = (
    Column("ID"),
    Column("NAME", shrinks=True),
    Column("STATUS"),
    Column("QUEUE", shrinks=True, drop=3),
    Column("PRIORITY", right=True, drop=6),
    Column("WORKER", shrinks=True, drop=4),
    Column("TIME", right=True, drop=2),
    Column("CHANGED", right=True, drop=1),
    Column("PROJECT", shrinks=True, drop=5),
)

_NONE = "no tasks; submit one: clearq run -- python train.py. Functions are listed by clearq queue show and task dead"


def task_table(out: Output, tasks: Sequence[Task], queues: Mapping[str, str], now: float) -> None:
    """One row a task."""
    short = short_ids(task.id for task in tasks)
    rows = [
        (
            short[task.id],
            task.spec.name,
            _status(task),
            queues.get(task.queue, task.queue) or "-",
            str(task.priority),
            task.worker or "-",
            _run_time(task, now),
            age(task.updated or task.status_changed, now),
            task.spec.project or "-",
        )
        for task in tasks
    ]
    out.table(_COLUMNS, rows, empty=_NONE)


def task_page(out: Output, task: Task, *, queue: str, why: str, now: float) -> None:
    """One task: what it is, how it stands, what it runs."""
    spec = task.spec
    waits = task.status.value == "queued"
    out.fields(
        [
            ("Name", _long(spec.name)),
            ("Id", task.id),
            ("Project", _long(spec.project)),
            ("Status", _status(task)),
            ("Why", why if waits or task.stage == "lost" else ""),
            ("Reason", _long(task.status_reason)),
            ("Message", _long(task.status_message)),
            ("Exit code", "" if task.exit_code is None else str(task.exit_code)),
            ("Queue", queue + (f", priority {task.priority}" if task.priority else "")),
            ("Worker", task.worker),
            ("GPUs held", ", ".join(task.gpus)),
            ("Attempts", _attempts(task)),
            ("Progress", _progress(task)),
            ("Iteration", "" if task.last_iteration is None else f"{task.last_iteration:,}"),
            ("Run time", _run_time(task, now) if task.started else ""),
            ("Created", when(task.created, now) if task.created else ""),
            ("Enqueued", when(task.enqueued, now) if task.enqueued else ""),
            ("Due", when(task.due, now) if waits and task.due else ""),
            ("Started", when(task.started, now) if task.started else ""),
            ("Ended", when(task.ended, now) if task.ended else ""),
            ("Type", spec.type.value),
            ("Tags", ", ".join(spec.tags)),
            ("Comment", _long(spec.comment)),
            ("Parent", spec.parent),
            ("Archived", "yes" if task.archived else ""),
        ]
    )
    out.heading("Runs")
    out.fields([("Executor", spec.executor.value), *_function(spec), *_script(spec.script), *_bounds(task)])
    if spec.parameters:
        out.heading("Parameters")
        out.fields([(_long(name, 40), _long(each.value)) for name, each in sorted(spec.parameters.items())])


def results(
    out: Output,
    scalars: Sequence[ScalarSummary],
    values: Mapping[str, float],
    artifacts: Mapping[str, ArtifactInfo],
) -> None:
    """Scalars, single values and artifacts, where there are any."""
    if values:
        out.heading("Values")
        out.fields([(_long(name, 40), f"{value:g}") for name, value in sorted(values.items())])
    curves = [each for each in scalars if not (each.title == "Summary" and each.series in values)]
    if curves:
        out.heading("Scalars")
        out.table(
            [
                Column("TITLE", shrinks=True),
                Column("SERIES", shrinks=True),
                Column("LAST", right=True),
                Column("LEAST", right=True, drop=2),
                Column("MOST", right=True, drop=1),
                Column("ITERATION", right=True),
            ],
            [(s.title, s.series, f"{s.last:g}", f"{s.min:g}", f"{s.max:g}", f"{s.iteration:,}") for s in scalars],
            empty="",
        )
    if artifacts:
        out.heading("Artifacts")
        out.table(
            [
                Column("NAME", shrinks=True),
                Column("TYPE"),
                Column("SIZE", right=True),
                Column("URL", shrinks=True),
            ],
            [(each.name, each.type, size(each.size), each.url) for each in artifacts.values()],
            empty="",
        )


def _function(spec: TaskSpec) -> list[tuple[str, str | Cell]]:
    """What is called, for a function that needs GPUs."""
    function = spec.function
    arguments = function.args if function.args.startswith(("[", "{")) else size(len(function.args))
    return [("Function", function.name), ("Arguments", _long(arguments))] if function.name else []


def _script(script: Script) -> list[tuple[str, str | Cell]]:
    code = "" if not script.entry_point else f"{script.binary or 'python'} {script.entry_point}"
    command = " ".join(filter(None, [code, join(script.argv)]))
    return [
        ("Command", _long(command)),
        ("Directory", script.working_dir),
        ("Repository", script.repository),
        ("Branch", script.branch),
        ("Commit", script.commit),
        ("Changes", _changes(script)),
        ("Packages", _long(_packages(script))),
        ("Environment", ", ".join(sorted(script.environment))),
    ]


def _packages(script: Script) -> str:
    if script.requirements is None:
        return ""
    lines = [line.strip() for line in script.requirements.splitlines()]
    return ", ".join(line for line in lines if line and not line.startswith("#")) or "none"


def _changes(script: Script) -> str:
    if not script.diff:
        return ""
    lines = plural(script.diff.count("\n") + (not script.diff.endswith("\n")), "line")
    return f"{lines}, uncommitted" if script.repository else f"{lines}, the script itself"


def _bounds(task: Task) -> list[tuple[str, str | Cell]]:
    needs, limits, container = task.spec.needs, task.spec.limits, task.spec.container
    return [
        ("Image", container.image),
        ("GPUs", str(needs.gpus) + (f" x {needs.gpu_type}" if needs.gpu_type else "") if needs.gpus else ""),
        ("GPU memory", "" if needs.gpu_memory is None else size(needs.gpu_memory)),
        ("Cores", "" if needs.cpus is None else f"{needs.cpus:g}"),
        ("Memory", "" if needs.memory is None else size(needs.memory)),
        ("Time limit", "" if limits.time_limit is None else duration(limits.time_limit)),
        ("Retries", str(limits.retries) if limits.retries else ""),
    ]


def _status(task: Task) -> Cell:
    text = task.status.value
    if task.stage is not None and task.stage.value != "running":
        text += f" ({task.stage.value})"
    return status_cell(text)


def _progress(task: Task) -> str:
    if task.progress is None:
        return ""
    return f"{task.progress} %, {task.progress_text}" if task.progress_text else f"{task.progress} %"


def _attempts(task: Task) -> str:
    """Those that count and how they went; losses and hand-backs are told, but are none of a function's."""
    if not task.claims:
        return ""
    parts = [f"{_counted(task)}"]
    if task.failures:
        parts.append(f"{task.failures} failed")
    if task.losses:
        parts.append(f"{task.losses} lost with the worker")
    if task.releases:
        parts.append(f"{task.releases} handed back")
    return ", ".join(parts)


def _counted(task: Task) -> int:
    if task.spec.executor.value != "function" or task.spec.function.name:
        return task.claims
    # A function's claims go on from what they were before it was enqueued again.
    other = task.claims - task.failures - task.losses - task.releases
    now = task.status.value in ("in_progress", "completed") or (task.status.value == "stopped" and other == 1)
    return task.failures + now


def _run_time(task: Task, now: float) -> str:
    if task.started is None:
        return "-"
    if task.status.value == "in_progress":
        return duration(now - task.started)
    return "-" if task.ended is None or task.ended < task.started else duration(task.ended - task.started)


def _long(text: str, limit: int = LONG) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
