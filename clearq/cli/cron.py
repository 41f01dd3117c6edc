"""``clearq cron``: the rules of all apps, run one now, forget one."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context
from clearq.cli.output import Cell, Column, status_cell
from clearq.cli.text import age, clean, duration, when

if TYPE_CHECKING:
    from clearq.engine.cron_table import CronTable, Listed

_COLUMNS = (
    Column("NAME", shrinks=True),
    Column("SCHEDULE"),
    Column("ZONE", drop=3),
    Column("FUNCTION", shrinks=True, drop=5),
    Column("QUEUE", shrinks=True, drop=4),
    Column("NEXT"),
    Column("LAST", right=True, drop=1),
    Column("OUTCOME", drop=1),
    Column("MISSED", drop=6),
)

_ABOUT = "Rules that enqueue a function at certain times; the workers of the app that declares them keep them."


def register(subparsers: Any) -> None:
    """Add ``clearq cron`` and its verbs."""
    parser = subparsers.add_parser("cron", help="rules of cron", description=_ABOUT)
    verbs = parser.add_subparsers(metavar="VERB", dest="verb")
    ls = verbs.add_parser("ls", aliases=["list"], help="list the rules, the next to run first")
    ls.set_defaults(run=list_rules)
    run = verbs.add_parser("run", help="run a rule's function once now; its slots stay as they are")
    run.add_argument("name", metavar="NAME", help="name of the rule")
    run.set_defaults(run=run_rule)
    rm = verbs.add_parser("rm", help="forget a rule that no worker declares any more")
    rm.add_argument("name", metavar="NAME", help="name of the rule")
    rm.set_defaults(run=remove_rule)


async def list_rules(args: Namespace, ctx: Context) -> None:
    """Print the rules."""
    engine = await ctx.engine()
    rules = await (await _table(ctx)).list()
    if ctx.out.json:
        ctx.out.data([asdict(rule) for rule in rules])
        return
    now = await engine.now()
    empty = "there are no rules; declare one with @app.cron(...) and start a worker: clearq help cron"
    ctx.out.table(_COLUMNS, [_row(rule, now) for rule in rules], empty=empty)


async def run_rule(args: Namespace, ctx: Context) -> None:
    """Enqueue its function."""
    task, made = await (await _table(ctx)).run(args.name)
    if ctx.out.json:
        ctx.out.data({"id": task, "enqueued": made})
        return
    ctx.out.say(task)
    if not made:
        ctx.out.note("nothing was enqueued: this task holds the rule's unique key")


async def remove_rule(args: Namespace, ctx: Context) -> None:
    """Forget it."""
    await (await _table(ctx)).remove(args.name)
    ctx.out.note(f"removed {clean(args.name)}; a worker that still declares it brings it back within half a minute")


async def _table(ctx: Context) -> CronTable:
    from clearq.engine.cron_table import CronTable

    engine = await ctx.engine()
    return CronTable(engine.storage, engine.cron, engine.functions)


def _row(rule: Listed, now: float) -> tuple[str | Cell, ...]:
    return (
        clean(rule.name),
        rule.expression,
        rule.tz,
        clean(rule.function),
        clean(rule.queue),
        _next(rule.next, now),
        "-" if rule.last is None else f"{age(rule.last, now)} ago",
        status_cell(rule.outcome or "-"),
        rule.missed,
    )


def _next(slot: float, now: float) -> str:
    """Local time and how far away; a slot that has passed waits for a worker."""
    if slot <= now:
        return f"due for {duration(now - slot)}"
    return when(slot, now)
