"""``clearq queue limit``: the limits by key of a queue, listed and set by hand."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context
from clearq.cli.output import Cell, Column, Output
from clearq.cli.text import clean
from clearq.cli.values import count
from clearq.errors import UsageError

if TYPE_CHECKING:
    from clearq.models.limit import QueueLimit, Size

_COLUMNS = (
    Column("LIMIT", shrinks=True),
    Column("SIZE"),
    Column("SET", shrinks=True, drop=2),
    Column("KEYS", right=True, drop=3),
    Column("TAKEN", right=True),
    Column("FULL", right=True, drop=1),
    Column("HELD", right=True),
)


def register(verbs: Any) -> None:
    """Add ``clearq queue limit``."""
    limit = verbs.add_parser(
        "limit",
        help="list the limits by key of a queue, or set one",
        description="List the limits by key of a queue: the size of each, how many keys it has, how many permits are"
        " taken, how many keys have none left, how many tasks are held until one is free. With a flag, set the size"
        " of one by hand: it wins over what apps declare until --off takes it off.",
    )
    limit.add_argument("queue", metavar="QUEUE", help="name or id")
    limit.add_argument("name", metavar="NAME", nargs="?", help="what stands before the colon in limit('NAME:...')")
    how = limit.add_mutually_exclusive_group()
    how.add_argument("--concurrent", type=count, metavar="N", help="N tasks of each key at once")
    how.add_argument("--rate", metavar="N/TIME", help="so many of each key begin in a time: 10/s, 100/m, 5/10s")
    how.add_argument("--off", action="store_true", help="take off what was set by hand; a declared size holds again")
    how.add_argument("--rm", action="store_true", help="forget one that no app declares any more and no task bears")
    limit.set_defaults(run=limit_queue)


async def limit_queue(args: Namespace, ctx: Context) -> int:
    """List limits, or set one."""
    from clearq.models.limit import RATE, Size

    changes: dict[str, Size | None] = {}
    if args.off or args.rm or args.rate is not None or args.concurrent is not None:
        if args.name is None:
            raise UsageError("name the limit: clearq queue limit QUEUE NAME --concurrent 5")
        name, _ = _names(args.name)
        if args.off:
            changes = {name: None, name + RATE: None}
        elif args.rm:
            return await _remove(args, ctx, name)
        elif args.rate is not None:
            changes = {name + RATE: Size.rate(args.rate)}
        else:
            changes = {name: Size(args.concurrent)}
    engine = await ctx.engine()
    queue = await engine.queues.get(args.queue)
    before = await engine.limits.list(queue.id)
    for name, size in changes.items():
        await engine.limits.set(queue.id, name, size)
    limits = await engine.limits.list(queue.id) if changes else before
    chosen = [limit for limit in limits if args.name is None or limit.name in _names(args.name)]
    if ctx.out.json:
        ctx.out.data(chosen)
    elif changes:
        _tell(ctx.out, _names(args.name)[0], changes, before, chosen)
    else:
        nothing = f"no limit {clean(args.name, 80)}" if args.name else "no limits"
        limit_table(ctx.out, chosen, empty=f"queue {clean(queue.name, 120)} has {nothing}")
    return 0


async def _remove(args: Namespace, ctx: Context, name: str) -> int:
    engine = await ctx.engine()
    queue = await engine.queues.get(args.queue)
    await engine.limits.remove(queue.id, name)
    if ctx.out.json:
        ctx.out.data([limit for limit in await engine.limits.list(queue.id) if limit.name in _names(name)])
    else:
        ctx.out.say(f"limit {clean(name, 80)}: forgotten")
    return 0


def limit_table(out: Output, limits: Sequence[QueueLimit], empty: str = "") -> None:
    """One row a limit; a name that has a rate besides has two."""
    rows = [
        (
            _shown(limit),
            str(limit.size) if limit.size else Cell("none", "yellow"),
            _origin(limit),
            f"{limit.keys:,}",
            f"{limit.taken:,}",
            f"{limit.full:,}",
            f"{limit.held:,}",
        )
        for limit in limits
    ]
    out.table(_COLUMNS, rows, empty=empty)


def _names(name: str) -> tuple[str, str]:
    from clearq.models.limit import RATE

    base = name.removesuffix(RATE)
    return base, base + RATE


def _shown(limit: QueueLimit) -> str:
    from clearq.models.limit import RATE

    return limit.name.removesuffix(RATE)


def _origin(limit: QueueLimit) -> str:
    if limit.by_hand:
        return "by hand" + (f" (app: {limit.declared})" if limit.declared else "")
    return "by the app" if limit.size else "not set"


def _tell(
    out: Output,
    name: str,
    changes: dict[str, Size | None],
    before: Sequence[QueueLimit],
    after: Sequence[QueueLimit],
) -> None:
    """What holds now."""
    held = sum(limit.held for limit in after)
    sizes = " and ".join(str(limit.size) for limit in after if limit.size) or "no limit any more"
    out.say(f"limit {clean(name, 80)}: {sizes}" + (f"; {held:,} held" if held else ""))
    known = {limit.name for limit in before if limit.declared or limit.keys}
    for raw, size in changes.items():
        if size is not None and raw not in known:
            kind = "concurrent" if size.period is None else "rate"
            out.note(f"no task has such a key yet; functions get it by limit({clean(name, 80)!r}, {kind}=...)")
