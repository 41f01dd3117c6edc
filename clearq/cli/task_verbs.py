"""The verbs of ``clearq task`` that change something: stop, clone, enqueue, dequeue, reset and others."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context
from clearq.cli.exits import code_of
from clearq.cli.text import duration
from clearq.cli.values import seconds
from clearq.cli.waiting import position
from clearq.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from clearq.engine import Engine

Verb = Callable[["Engine", str], Awaitable[str]]


def register(verbs: Any) -> None:
    """Add the verbs."""
    stop = verbs.add_parser("stop", help="stop running tasks; take waiting ones off their queue for good")
    name_tasks(stop)
    stop.add_argument("--reason", default="", help="kept with the task")
    stop.set_defaults(run=stop_tasks)

    clone = verbs.add_parser("clone", help="make a draft that is a copy of a task; prints its id")
    name_tasks(clone, many=False)
    clone.add_argument("--name")
    clone.add_argument("--project")
    clone.add_argument("--comment")
    clone.set_defaults(run=clone_task)

    enqueue = verbs.add_parser("enqueue", help="put drafts, stopped and failed tasks into a queue")
    name_tasks(enqueue)
    enqueue.add_argument("--queue", default="default", help="name or id (default: default)")
    enqueue.add_argument("--create-queue", action="store_true", help="make the queue if there is none")
    enqueue.add_argument("--priority", type=int, help="-1000 to 1000; higher runs first (default: as before)")
    enqueue.add_argument("--delay", type=seconds, metavar="TIME", help="not before so long: 30s, 10m, 1h30m")
    enqueue.add_argument("--force", action="store_true", help="also a completed task")
    enqueue.set_defaults(run=enqueue_tasks)

    for name, function, text, force in (
        ("dequeue", dequeue_tasks, "take waiting tasks off their queue: they become drafts", ""),
        (
            "reset",
            reset_tasks,
            "make ended tasks drafts again, without their results",
            "also a published one",
        ),
        ("publish", publish_tasks, "make completed tasks unchangeable", ""),
        ("archive", archive_tasks, "hide tasks from listings", ""),
        ("unarchive", unarchive_tasks, "show archived tasks again", ""),
        ("rm", remove_tasks, "delete tasks with their logs and metrics", "also a queued or running one"),
    ):
        verb = verbs.add_parser(name, help=text)
        name_tasks(verb)
        if force:
            verb.add_argument("--force", action="store_true", help=force)
        verb.set_defaults(run=function)


def name_tasks(parser: ArgumentParser, *, many: bool = True) -> None:
    """Add the argument that names one task or several."""
    text = "id or its unique beginning (4 characters or more)"
    if many:
        parser.add_argument("task", metavar="TASK", nargs="+", help=text)
    else:
        parser.add_argument("task", metavar="TASK", help=text)


async def stop_tasks(args: Namespace, ctx: Context) -> int:
    """Stop tasks."""

    async def stop(engine: Engine, task_id: str) -> str:
        return str(await engine.tasks.stop(task_id, reason=args.reason))

    return await _each(args.task, ctx, stop)


async def clone_task(args: Namespace, ctx: Context) -> int:
    """Clone a task."""
    engine = await ctx.engine()
    source = await engine.tasks.resolve(args.task)
    copy = await engine.tasks.clone(source, name=args.name, project=args.project, comment=args.comment)
    if ctx.out.json:
        ctx.out.data(copy)
        return 0
    ctx.out.say(copy.id)
    ctx.out.note(
        f"a draft; change it with: clearq task edit {copy.id} --set Section/name=value\n"
        f"then run it with: clearq task enqueue {copy.id} --queue QUEUE"
    )
    return 0


async def enqueue_tasks(args: Namespace, ctx: Context) -> int:
    """Enqueue tasks."""

    async def enqueue(engine: Engine, task_id: str) -> str:
        await engine.tasks.enqueue(
            task_id,
            args.queue,
            priority=args.priority,
            delay=args.delay,
            create_queue=args.create_queue,
            force=args.force,
        )
        if args.delay:
            return f"queued, due in {duration(args.delay)}"
        place = await position(engine, await engine.tasks.get(task_id))
        return "queued" if place is None else f"queued, place {place}"

    return await _each(args.task, ctx, enqueue)


async def dequeue_tasks(args: Namespace, ctx: Context) -> int:
    """Dequeue tasks."""

    async def dequeue(engine: Engine, task_id: str) -> str:
        await engine.tasks.dequeue(task_id)
        return "created"

    return await _each(args.task, ctx, dequeue)


async def reset_tasks(args: Namespace, ctx: Context) -> int:
    """Reset tasks."""

    async def reset(engine: Engine, task_id: str) -> str:
        await engine.tasks.reset(task_id, force=args.force)
        return "created"

    return await _each(args.task, ctx, reset)


async def publish_tasks(args: Namespace, ctx: Context) -> int:
    """Publish tasks."""

    async def publish(engine: Engine, task_id: str) -> str:
        await engine.tasks.publish(task_id)
        return "published"

    return await _each(args.task, ctx, publish)


async def archive_tasks(args: Namespace, ctx: Context, *, on: bool = True) -> int:
    """Archive tasks."""

    async def archive(engine: Engine, task_id: str) -> str:
        await engine.tasks.archive(task_id, on)
        return "archived" if on else "unarchived"

    return await _each(args.task, ctx, archive)


async def unarchive_tasks(args: Namespace, ctx: Context) -> int:
    """Undo :func:`archive_tasks`."""
    return await archive_tasks(args, ctx, on=False)


async def remove_tasks(args: Namespace, ctx: Context) -> int:
    """Delete tasks."""

    async def remove(engine: Engine, task_id: str) -> str:
        await engine.tasks.delete(task_id, force=args.force)
        return "deleted"

    return await _each(args.task, ctx, remove)


async def _each(words: Sequence[str], ctx: Context, verb: Verb) -> int:
    """Do ``verb`` to each task, also after one was refused; the first refusal gives the exit code."""
    from clearq.cli.main import print_error

    engine = await ctx.engine()
    code = 0
    done: list[dict[str, str]] = []
    for word in words:
        try:
            task_id = await engine.tasks.resolve(word)
            result = await verb(engine, task_id)
        except (NotFoundError, ConflictError) as error:
            if len(words) == 1:
                raise
            print_error(str(error))
            code = code or code_of(error)
            continue
        if ctx.out.json:
            done.append({"id": task_id, "result": result})
        else:
            ctx.out.say(f"{task_id} {result}")
    if ctx.out.json:
        ctx.out.data(done)
    return code
