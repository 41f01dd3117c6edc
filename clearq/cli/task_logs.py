"""``clearq task logs``: what a task printed, and what its agent said about it."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context
from clearq.cli.follow import LogPrinter, print_present
from clearq.cli.values import count

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.models import LogLine


def register(verbs: Any) -> None:
    """Add ``clearq task logs``."""
    parser = verbs.add_parser(
        "logs",
        help="print the console output of a task",
        description="Print the console output of a task: its stdout to stdout, its stderr and what the agent"
        " says about it to stderr.",
    )
    parser.add_argument("task", metavar="TASK", help="id or its unique beginning (4 characters or more)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the task has ended")
    parser.add_argument("-n", "--tail", type=count, metavar="N", help="only the last N lines")
    parser.add_argument("-t", "--timestamps", action="store_true", help="local time before each line")
    parser.set_defaults(run=print_logs)


async def print_logs(args: Namespace, ctx: Context) -> int:
    """Print a task's log."""
    engine = await ctx.engine()
    task_id = await engine.tasks.resolve(args.task)
    printer = LogPrinter(ctx.out, timestamps=args.timestamps)
    if args.tail is None:
        await print_present(engine, task_id, printer)
    else:
        await _print_tail(engine, task_id, args.tail, printer)
    if args.follow:
        async for line in engine.logs.follow(task_id, printer.last):
            printer.print(line)
    elif printer.last == "0" and not ctx.out.json:
        task = await engine.tasks.get(task_id)
        ctx.out.note(f"no output (the task is {task.status}); follow it with: clearq task logs -f {task_id}")
    return 0


async def _print_tail(engine: Engine, task_id: str, number: int, printer: LogPrinter) -> None:
    entries = await engine.logs.tail(task_id, max(number, 1))
    for line in _last(entries, number):
        printer.print(line)
    if entries:
        printer.last = entries[-1].id


def _last(lines: list[LogLine], number: int) -> list[LogLine]:
    """The last ``number`` lines of text: an entry may hold several."""
    kept: list[LogLine] = []
    for line in reversed(lines):
        if number <= 0:
            break
        texts = line.text.split("\n")[-number:]
        number -= len(texts)
        kept.append(line.model_copy(update={"text": "\n".join(texts)}))
    return kept[::-1]
