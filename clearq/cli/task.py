"""``clearq task``: list, read, stop, clone, enqueue and edit tasks."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clearq.cli import task_dead, task_edit, task_logs, task_verbs
from clearq.cli.call_view import call_of
from clearq.cli.context import Context
from clearq.cli.follow import exit_code_of
from clearq.cli.task_verbs import name_tasks
from clearq.cli.task_view import results, task_page, task_table
from clearq.cli.text import clean
from clearq.cli.values import count, seconds
from clearq.cli.waiting import explain_wait, position
from clearq.errors import UsageError

if TYPE_CHECKING:
    pass


def register(subparsers: Any) -> None:
    """Add ``clearq task`` and its verbs."""
    parser = subparsers.add_parser(
        "task",
        help="tasks",
        description="Tasks: units of work. A task is named by its id or the unique beginning of it.",
    )
    verbs = parser.add_subparsers(metavar="VERB", dest="verb")
    _register_reading(verbs)
    task_logs.register(verbs)
    _register_waiting(verbs)
    task_verbs.register(verbs)
    task_edit.register(verbs)
    task_dead.register(verbs)


def _register_reading(verbs: Any) -> None:
    ls = verbs.add_parser("ls", aliases=["list"], help="list tasks, newest change first")
    ls.add_argument(
        "--status",
        action="append",
        default=[],
        metavar="STATUS",
        help="created, queued, in_progress, stopped, failed, completed ...; may be given again",
    )
    ls.add_argument("--project", help="of this project")
    ls.add_argument("--name", help="of this name")
    ls.add_argument("--tag", action="append", default=[], help="with this tag; may be given again: all of them")
    ls.add_argument("-a", "--all", action="store_true", help="also archived ones")
    ls.add_argument("--limit", type=count, default=50, metavar="N", help="at most so many (default 50)")
    ls.add_argument("-q", "--quiet", action="store_true", help="print whole ids only")
    ls.set_defaults(run=list_tasks)

    show = verbs.add_parser("show", help="all about one task")
    name_tasks(show, many=False)
    show.set_defaults(run=show_task)

    why = verbs.add_parser("why", help="say in one sentence why a task waits")
    name_tasks(why, many=False)
    why.set_defaults(run=why_task)


def _register_waiting(verbs: Any) -> None:
    wait = verbs.add_parser(
        "wait",
        help="wait until tasks have ended; exit with their code",
        description="Wait until tasks have ended. Exits with the task's exit code (several: the first that is"
        " not 0), or 124 when --timeout passes.",
    )
    name_tasks(wait)
    wait.add_argument("--timeout", type=seconds, metavar="TIME", help="30s, 10m, 1h30m (default: none)")
    wait.set_defaults(run=wait_tasks)


async def list_tasks(args: Namespace, ctx: Context) -> int:
    """Print tasks."""
    engine = await ctx.engine()
    tasks = await engine.tasks.find(
        project=args.project,
        name=args.name,
        tags=tuple(args.tag),
        statuses=_statuses(args.status),
        archived=None if args.all else False,
        limit=args.limit,
    )
    if args.quiet:
        for task in tasks:
            ctx.out.say(task.id)
    elif ctx.out.json:
        ctx.out.data(tasks)
    else:
        names = {queue.id: queue.name for queue in await engine.queues.list()}
        task_table(ctx.out, tasks, names, await engine.now())
        if len(tasks) == args.limit:
            ctx.out.note(f"the newest {args.limit}; --limit shows more")
    return 0


async def show_task(args: Namespace, ctx: Context) -> int:
    """Print one task with its metrics and artifacts."""
    engine = await ctx.engine()
    task = await engine.tasks.get(await engine.tasks.resolve(args.task))
    why = await explain_wait(engine, task)
    scalars = await engine.metrics.summary(task.id)
    values = await engine.metrics.single_values(task.id)
    artifacts = await engine.artifacts.list(task.id)
    call = await call_of(engine, task.id)
    if ctx.out.json:
        ctx.out.data(
            {
                **task.model_dump(mode="json"),
                "why": why,
                "scalars": scalars,
                "single_values": values,
                "artifacts": artifacts,
                "call": call.plain() if call else None,
            }
        )
        return 0
    names = {queue.id: queue.name for queue in await engine.queues.list()}
    task_page(ctx.out, task, queue=names.get(task.queue, task.queue), why=why, now=await engine.now())
    if call is not None and any(value for _, value in call.rows):
        ctx.out.heading("Call")
        ctx.out.fields(call.rows)
    results(ctx.out, scalars, values, artifacts)
    return 0


async def why_task(args: Namespace, ctx: Context) -> int:
    """Print why a task waits."""
    engine = await ctx.engine()
    task = await engine.tasks.get(await engine.tasks.resolve(args.task))
    sentence = await explain_wait(engine, task)
    if ctx.out.json:
        place = await position(engine, task)
        ctx.out.data({"id": task.id, "status": task.status, "place": place, "why": sentence})
    else:
        ctx.out.say(clean(sentence))
    return 0


async def wait_tasks(args: Namespace, ctx: Context) -> int:
    """Wait for the end of tasks."""
    engine = await ctx.engine()
    ids = [await engine.tasks.resolve(text) for text in args.task]
    ended = []
    until = None if args.timeout is None else time.monotonic() + args.timeout
    for task_id in ids:
        left = None if until is None else max(0.0, until - time.monotonic())
        task = await engine.tasks.wait(task_id, timeout=left)
        ended.append(task)
        if not ctx.out.json:
            reason = f" ({task.status_reason})" if task.status_reason else ""
            ctx.out.say(f"{task.id} {task.status}{reason}")
    if ctx.out.json:
        ctx.out.data(ended)
    return next((code for task in ended if (code := exit_code_of(task))), 0)


def _statuses(words: Sequence[str]) -> tuple[Any, ...]:
    """Statuses by name; commas are taken too. Raises UsageError for one that does not exist."""
    from clearq.models import Status

    names = [name.strip().lower() for word in words for name in word.split(",") if name.strip()]
    known = {status.value: status for status in Status}
    known |= {"running": Status.IN_PROGRESS, "pending": Status.QUEUED, "aborted": Status.STOPPED}
    known |= {"draft": Status.CREATED}
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no status {name[:40]!r}\nstatuses: {', '.join(status.value for status in Status)}"
            )
    return tuple(known[name] for name in names)
