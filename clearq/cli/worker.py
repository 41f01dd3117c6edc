"""``clearq worker``: run, list and inspect workers."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context
from clearq.cli.values import seconds
from clearq.cli.worker_run import register_run
from clearq.cli.worker_view import worker_page, worker_table
from clearq.errors import TaskNotFound

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.models import Task, Worker


def register(subparsers: Any) -> None:
    """Add ``clearq worker`` and its verbs."""
    parser = subparsers.add_parser("worker", help="workers", description="Workers: processes that run tasks.")
    verbs = parser.add_subparsers(metavar="VERB", dest="verb")
    register_run(verbs)
    ls = verbs.add_parser("ls", aliases=["list"], help="list the workers and what each runs")
    ls.add_argument("-a", "--all", action="store_true", help="also those that have gone")
    ls.add_argument("-q", "--quiet", action="store_true", help="print names only")
    ls.set_defaults(run=list_workers)
    show = verbs.add_parser("show", help="one worker: queues, tasks, machine, utilisation")
    show.add_argument("worker", metavar="WORKER", help="name or id")
    show.add_argument("--since", type=seconds, default=3600.0, help="utilisation since: 30m, 12h (default 1h)")
    show.set_defaults(run=show_worker)


async def list_workers(args: Namespace, ctx: Context) -> int:
    """Print the workers."""
    engine = await ctx.engine()
    workers = await engine.workers.list(all=args.all)
    if args.quiet:
        for worker in workers:
            ctx.out.say(worker.info.label)
        return 0
    tasks = await _tasks(engine, workers)
    if ctx.out.json:
        ctx.out.data([_document(worker, tasks) for worker in workers])
    else:
        worker_table(ctx.out, workers, tasks, await _names(engine), await engine.now())
    return 0


async def show_worker(args: Namespace, ctx: Context) -> int:
    """Print one worker."""
    engine = await ctx.engine()
    worker = await engine.workers.get(args.worker)
    tasks = await _tasks(engine, [worker])
    samples = await engine.workers.history(worker.info.label, since=args.since)
    if ctx.out.json:
        ctx.out.data({**_document(worker, tasks), "history": samples})
    else:
        worker_page(ctx.out, worker, tasks, await _names(engine), await engine.now(), samples)
    return 0


async def _names(engine: Engine) -> dict[str, str]:
    return {queue.id: queue.name for queue in await engine.queues.list()}


async def _tasks(engine: Engine, workers: list[Worker]) -> dict[str, Task]:
    """The tasks that these workers hold, those that were deleted meanwhile left out."""
    ids = [task for worker in workers for task in worker.tasks]
    found = await asyncio.gather(*(_get(engine, task) for task in ids))
    return {task.id: task for task in found if task is not None}


async def _get(engine: Engine, task_id: str) -> Task | None:
    try:
        return await engine.tasks.get(task_id)
    except TaskNotFound:
        return None


def _document(worker: Worker, tasks: dict[str, Task]) -> dict[str, Any]:
    running = [
        {
            "id": task.id,
            "name": task.spec.name,
            "project": task.spec.project,
            "started": task.started,
            "last_iteration": task.last_iteration,
        }
        for each in worker.tasks
        if (task := tasks.get(each)) is not None
    ]
    return {**worker.model_dump(mode="json"), "running": running}
