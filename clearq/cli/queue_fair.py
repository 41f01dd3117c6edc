"""``clearq queue fair``: let the keys of a queue take turns, and see who waits."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context
from clearq.cli.output import Column, Output
from clearq.cli.text import clean

if TYPE_CHECKING:
    from clearq.models.queue import FairKey

#: Keys that a page shows.
SHOWN = 20

_COLUMNS = (Column("KEY", shrinks=True), Column("WAITING", right=True), Column("WEIGHT", right=True))


def weight(text: str) -> tuple[str, int]:
    """``KEY=3``."""
    key, equals, number = text.rpartition("=")
    if not equals or not number.isascii() or not number.isdigit():
        raise ArgumentTypeError(f"not a weight: {text[:40]!r} (write KEY=3)")
    return key, int(number)


def add_weights(parser: Any) -> None:
    """``--weight KEY=N``."""
    parser.add_argument(
        "--weight",
        type=weight,
        action="append",
        default=[],
        metavar="KEY=N",
        help="N turns of this key for one of the others (1 is the usual); may be given again",
    )


def register(verbs: Any) -> None:
    """Add ``clearq queue fair``."""
    fair = verbs.add_parser(
        "fair",
        help="let the keys of a queue take turns",
        description="In a fair queue the keys of its tasks take turns, however many tasks each has waiting."
        " Without a flag: list the keys that have tasks waiting.",
    )
    fair.add_argument("queue", metavar="QUEUE", help="name or id")
    how = fair.add_mutually_exclusive_group()
    how.add_argument("--on", action="store_true", help="take turns from now on; nothing may wait in the queue")
    how.add_argument("--off", action="store_true", help="serve in order of arrival again")
    add_weights(fair)
    fair.set_defaults(run=fair_queue)


async def fair_queue(args: Namespace, ctx: Context) -> int:
    """Make a queue fair or ordinary, set weights; or list its keys."""
    engine = await ctx.engine()
    if args.on or args.off or args.weight:
        await engine.fair.set(args.queue, True if args.on else False if args.off else None, weights=dict(args.weight))
    queue = await engine.queues.get(args.queue)
    keys = await engine.fair.keys(queue.id)
    if ctx.out.json:
        ctx.out.data({"queue": queue.id, "fair": queue.fair, "keys": keys})
        return 0
    name = clean(queue.name, 60)
    ctx.out.say(f"queue {name}: " + ("its keys take turns" if queue.fair else "not fair, serves in order of arrival"))
    if queue.fair:
        key_table(ctx.out, keys)
    return 0


def key_table(out: Output, keys: Sequence[FairKey]) -> None:
    """Who waits, most tasks first."""
    rows = [(clean(each.key, 200) or "(none)", f"{each.waiting:,}", str(each.weight)) for each in keys[:SHOWN]]
    out.table(_COLUMNS, rows, empty="no key has tasks waiting")
    if len(keys) > SHOWN:
        out.note(f"and {len(keys) - SHOWN:,} more keys; --json shows all")
