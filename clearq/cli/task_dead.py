"""``clearq task dead``: functions that failed for good, kept to be looked at and run again."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context
from clearq.cli.output import Column
from clearq.cli.text import age, clean, plural, short_ids
from clearq.cli.values import count
from clearq.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.engine.calls import SetAside

_COLUMNS = (
    Column("TASK"),
    Column("FUNCTION", shrinks=True),
    Column("QUEUE", shrinks=True, drop=1),
    Column("FAILED", right=True),
    Column("REASON", shrinks=True),
)

#: Functions looked through for those of one name.
_MOST = 100_000


def register(verbs: Any) -> None:
    """Add ``clearq task dead``."""
    parser = verbs.add_parser(
        "dead",
        help="list functions that failed for good, or run them again",
        description="Functions that are out of retries or were lost too often, the latest first. They are kept for a"
        " week; --requeue puts the listed ones back into their queues.",
    )
    parser.add_argument("--function", metavar="NAME", help="only those of this name, such as tasks.resize")
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="at most so many (default 50)")
    parser.add_argument("--requeue", action="store_true", help="enqueue them again, with all their attempts")
    parser.add_argument("-q", "--quiet", action="store_true", help="print whole ids only")
    parser.set_defaults(run=list_dead)


async def list_dead(args: Namespace, ctx: Context) -> int:
    """Print them, or put them back."""
    engine = await ctx.engine()
    found = await engine.functions.set_aside(limit=_MOST if args.function else args.limit)
    found = [each for each in found if args.function in (None, each.fn)][: args.limit]
    if args.requeue:
        return await _requeue(engine, found, ctx)
    if args.quiet:
        for each in found:
            ctx.out.say(each.id)
        return 0
    if ctx.out.json:
        ctx.out.data([each._asdict() for each in found])
        return 0
    names = {queue.id: queue.name for queue in await engine.queues.list()}
    short, now = short_ids(each.id for each in found), await engine.now()
    ctx.out.table(
        _COLUMNS,
        [
            (
                short[each.id],
                clean(each.fn),
                clean(names.get(each.queue, each.queue)),
                age(each.at, now),
                clean(each.reason),
            )
            for each in found
        ],
        empty="no function has failed for good",
    )
    return 0


async def _requeue(engine: Engine, found: list[SetAside], ctx: Context) -> int:
    """Put them back, the oldest first; one that has moved on meanwhile is passed over."""
    back: list[str] = []
    for each in reversed(found):
        try:
            await engine.tasks.enqueue(each.id, each.queue or "default", create_queue=True)
        except (ConflictError, NotFoundError) as error:
            ctx.out.note(str(error))
        else:
            back.append(each.id)
    if ctx.out.json:
        ctx.out.data(back)
    else:
        ctx.out.say(f"{plural(len(back), 'function')} enqueued again")
    return 0
