"""``clearq queue``: list, make, re-order, pause and clear queues."""

from __future__ import annotations

import getpass
import socket
from argparse import Namespace
from typing import Any

from clearq.cli import queue_fair, queue_limit
from clearq.cli.context import Context
from clearq.cli.queue_view import history_page, queue_page, queue_table
from clearq.cli.text import clean, plural
from clearq.cli.values import count, place, seconds
from clearq.errors import UsageError


def register(subparsers: Any) -> None:
    """Add ``clearq queue`` and its verbs."""
    parser = subparsers.add_parser("queue", help="queues", description="Queues: ordered sets of tasks.")
    verbs = parser.add_subparsers(metavar="VERB", dest="verb")
    _register_listing(verbs)
    _register_changes(verbs)
    _register_move(verbs)
    queue_limit.register(verbs)
    queue_fair.register(verbs)


def _register_listing(verbs: Any) -> None:
    ls = verbs.add_parser("ls", aliases=["list"], help="list the queues", description="List the queues.")
    ls.add_argument("-q", "--quiet", action="store_true", help="print names only")
    ls.set_defaults(run=list_queues)

    show = verbs.add_parser("show", help="one queue: its tasks in order, its workers")
    show.add_argument("queue", metavar="QUEUE", help="name or id")
    show.add_argument("--limit", type=count, default=50, metavar="N", help="tasks shown (default 50)")
    show.set_defaults(run=show_queue)

    history = verbs.add_parser("history", help="length, oldest wait and running tasks over time")
    history.add_argument("queue", metavar="QUEUE", help="name or id")
    history.add_argument("--since", type=seconds, default=3600.0, help="how far back: 30m, 12h (default 1h)")
    history.set_defaults(run=show_history)


def _register_changes(verbs: Any) -> None:
    create = verbs.add_parser("create", help="make a queue")
    create.add_argument("queue", metavar="NAME", nargs="+")
    create.add_argument("--tag", action="append", default=[], help="may be given again")
    create.add_argument(
        "--fair", action="store_true", help="the keys of its tasks take turns: see `clearq help queues`"
    )
    queue_fair.add_weights(create)
    create.set_defaults(run=create_queues)

    rm = verbs.add_parser("rm", help="delete a queue")
    rm.add_argument("queue", metavar="QUEUE", nargs="+", help="name or id")
    rm.add_argument("--force", action="store_true", help="also when tasks wait in it: they become drafts")
    rm.set_defaults(run=remove_queues)

    rename = verbs.add_parser("rename", help="give a queue another name; its id stays")
    rename.add_argument("queue", metavar="QUEUE", help="name or id")
    rename.add_argument("new", metavar="NEW")
    rename.set_defaults(run=rename_queue)

    clear = verbs.add_parser("clear", help="take all waiting tasks off a queue: they become drafts")
    clear.add_argument("queue", metavar="QUEUE", help="name or id")
    clear.set_defaults(run=clear_queue)

    pause = verbs.add_parser("pause", help="start nothing more from a queue; running tasks go on")
    pause.add_argument("queue", metavar="QUEUE", help="name or id")
    pause.add_argument("--why", default="", help="shown to everybody whose task waits")
    pause.set_defaults(run=pause_queue)

    resume = verbs.add_parser("resume", help="serve a paused queue again")
    resume.add_argument("queue", metavar="QUEUE", help="name or id")
    resume.set_defaults(run=resume_queue)


def _register_move(verbs: Any) -> None:
    move = verbs.add_parser(
        "move",
        help="move a waiting task inside its queue",
        description="Move a waiting task inside its queue. Places are counted from 1, the head."
        " A task that was moved to the front runs next, whatever the priorities.",
    )
    move.add_argument("queue", metavar="QUEUE", help="name or id")
    move.add_argument("task", metavar="TASK", help="id or its unique beginning")
    where = move.add_mutually_exclusive_group(required=True)
    where.add_argument("--front", action="store_true", help="next to run")
    where.add_argument("--back", action="store_true", help="behind all others")
    where.add_argument("--up", type=count, metavar="N", help="N places towards the head")
    where.add_argument("--down", type=count, metavar="N", help="N places towards the end")
    where.add_argument("--to", type=place, metavar="N", help="to place N (1 is the head)")
    where.add_argument("--before", metavar="TASK", help="just before another waiting task")
    where.add_argument("--after", metavar="TASK", help="just after another waiting task")
    move.set_defaults(run=move_task)


async def list_queues(args: Namespace, ctx: Context) -> int:
    """Print all queues."""
    engine = await ctx.engine()
    queues = await engine.queues.list()
    if args.quiet:
        ctx.out.say("\n".join(queue.name for queue in queues))
    elif ctx.out.json:
        ctx.out.data(queues)
    else:
        queue_table(ctx.out, queues, await engine.now())
    return 0


async def show_queue(args: Namespace, ctx: Context) -> int:
    """Print one queue: what waits in it in order, what runs, who serves it."""
    engine = await ctx.engine()
    queue = await engine.queues.get(args.queue)
    tasks = await engine.queues.waiting(queue.id, limit=args.limit)
    workers = [w for w in await engine.workers.list() if any(lane.queue == queue.id for lane in w.info.lanes)]
    limits = await engine.limits.list(queue.id)
    keys = await engine.fair.keys(queue.id) if queue.fair else []
    if ctx.out.json:
        document = queue.model_dump(mode="json")
        listening = [worker.info.label for worker in workers]
        ctx.out.data({**document, "tasks": tasks, "listening": listening, "limits": limits, "keys": keys})
    else:
        queue_page(ctx.out, queue, tasks, workers, await engine.now())
        if limits:
            ctx.out.heading("Limits by key")
            queue_limit.limit_table(ctx.out, limits)
        if keys:
            ctx.out.heading("Keys that take turns")
            queue_fair.key_table(ctx.out, keys)
    return 0


async def show_history(args: Namespace, ctx: Context) -> int:
    """Print how a queue did over time."""
    engine = await ctx.engine()
    queue = await engine.queues.get(args.queue)
    samples = await engine.queues.history(queue.id, since=args.since)
    if ctx.out.json:
        ctx.out.data(samples)
    else:
        history_page(ctx.out, queue, samples, args.since)
    return 0


async def create_queues(args: Namespace, ctx: Context) -> int:
    """Make queues; prints the id of each."""
    engine = await ctx.engine()
    made = []
    for name in dict.fromkeys(args.queue):
        made.append(await engine.queues.create(name, tags=tuple(args.tag), fair=args.fair, weights=dict(args.weight)))
        if not ctx.out.json:
            ctx.out.say(made[-1].id)
    if ctx.out.json:
        ctx.out.data(made)
        return 0
    name = _word(made[0].name)
    ctx.out.note(f"serve it with: clearq agent --queue {name}; functions: clearq worker run MODULE:APP --queues {name}")
    return 0


async def remove_queues(args: Namespace, ctx: Context) -> int:
    """Delete queues; prints the name of each."""
    engine = await ctx.engine()
    workers = await engine.workers.list()
    for name in args.queue:
        id = await engine.queues.resolve(name)
        await engine.queues.delete(name, force=args.force)
        ctx.out.data({"deleted": name}) if ctx.out.json else ctx.out.say(clean(name, 120))
        serving = [w.info for w in workers if w.alive and any(lane.queue == id for lane in w.info.lanes)]
        agents = [info.label for info in serving if info.kind != "function"]
        others = [info.label for info in serving if info.kind == "function"]
        if agents:
            ctx.out.note(f"{clean(', '.join(agents))} served it; a new queue of that name is served after a restart")
        if others:
            ctx.out.note(f"{clean(', '.join(others))} served it; a new queue of that name is served as well")
    return 0


async def rename_queue(args: Namespace, ctx: Context) -> int:
    """Rename a queue."""
    engine = await ctx.engine()
    await engine.queues.rename(args.queue, args.new)
    return await _tell(ctx, args.new, f"renamed to {args.new!r}")


async def clear_queue(args: Namespace, ctx: Context) -> int:
    """Empty a queue."""
    engine = await ctx.engine()
    with ctx.out.status() as status:
        what = f"clearing queue {_word(args.queue)}"
        number = await engine.queues.clear(args.queue, lambda taken: status.update(what, more=f"{taken:,}"))
    if ctx.out.json:
        ctx.out.data({"queue": args.queue, "cleared": number})
        return 0
    ctx.out.say(f"{plural(number, 'task')} taken off queue {_word(args.queue)}")
    if number:
        ctx.out.note(
            "they are drafts now: clearq task ls --status created (functions are in no list; they go after a week)"
        )
    return 0


async def pause_queue(args: Namespace, ctx: Context) -> int:
    """Pause a queue in the name of this user."""
    engine = await ctx.engine()
    await engine.queues.pause(args.queue, by=f"{getpass.getuser()}@{socket.gethostname()}", why=args.why)
    return await _tell(ctx, args.queue, f"paused; go on with: clearq queue resume {_word(args.queue)}")


async def resume_queue(args: Namespace, ctx: Context) -> int:
    """Resume a queue."""
    engine = await ctx.engine()
    await engine.queues.resume(args.queue)
    return await _tell(ctx, args.queue, "is served again")


async def move_task(args: Namespace, ctx: Context) -> int:
    """Move a task; prints its new place."""
    from clearq.models import Place

    engine = await ctx.engine()
    task = await engine.tasks.resolve(args.task)
    others = {
        name: await engine.tasks.resolve(text)
        for name in ("before", "after")
        if (text := getattr(args, name)) is not None
    }
    if task in others.values():
        raise UsageError("a task cannot stand before or after itself; name another task")
    where = Place(
        front=args.front,
        back=args.back,
        up=args.up,
        down=args.down,
        to=None if args.to is None else args.to - 1,
        **others,
    )
    index = await engine.queues.move(args.queue, task, where)
    queue = await engine.queues.get(args.queue)
    number = None if index is None else index + 1
    if ctx.out.json:
        ctx.out.data({"task": task, "queue": queue.id, "place": number, "waiting": queue.waiting})
    elif number is None:
        ctx.out.say(f"moved; it is not due yet and takes its place in queue {_word(queue.name)} then")
    else:
        ctx.out.say(f"place {number} of {queue.waiting} in queue {_word(queue.name)}")
    return 0


async def _tell(ctx: Context, name: str, sentence: str) -> int:
    if ctx.out.json:
        ctx.out.data(await (await ctx.engine()).queues.get(name))
    else:
        ctx.out.say(f"queue {_word(name)}: {sentence}")
    return 0


def _word(name: str) -> str:
    """``name`` as it must be typed into a shell, cut where it would fill the screen."""
    from shlex import quote

    return quote(clean(name, 120))
