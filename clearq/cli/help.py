"""``clearq help``: the pages of clearq/docs on a terminal, and the help of each command."""

from __future__ import annotations

from argparse import Namespace
from importlib.resources import files
from typing import Any

from clearq.cli.context import Context
from clearq.cli.nouns import NOUNS
from clearq.errors import NotFoundError


def register(subparsers: Any) -> None:
    """Add ``clearq help``."""
    parser = subparsers.add_parser("help", help="read a page", description="Print a page, or the help of a command.")
    parser.add_argument("topic", nargs="*", metavar="TOPIC", help="a page or a command; none: list the pages")
    parser.set_defaults(run=show)


def pages() -> dict[str, str]:
    """The name of each page and its first heading."""
    found: dict[str, str] = {}
    for entry in files("clearq").joinpath("docs").iterdir():
        if entry.name.endswith(".md"):
            first = entry.read_text(encoding="utf-8").lstrip().partition("\n")[0]
            found[entry.name.removesuffix(".md")] = first.lstrip("# ")
    return dict(sorted(found.items()))


def show(args: Namespace, ctx: Context) -> int:
    """Print what was asked for."""
    if not args.topic:
        return _list(ctx)
    topic = args.topic[0].lower()
    if topic in pages():
        print_page(topic, ctx)
        return 0
    if topic in NOUNS:
        from clearq.cli.main import main

        return main([*args.topic, "--help"])
    raise NotFoundError(f"there is no page {topic[:80]!r}\npages: {', '.join(pages())}")


def _list(ctx: Context) -> int:
    from clearq.cli.output import Column

    if ctx.out.json:
        ctx.out.data(pages())
        return 0
    ctx.out.table(
        [Column("TOPIC"), Column("ABOUT", shrinks=True)],
        list(pages().items()),
        empty="no pages are installed",
    )
    ctx.out.note("\nclearq help TOPIC prints a page; clearq help COMMAND the help of a command")
    return 0


def print_page(topic: str, ctx: Context) -> None:
    """Print a page that is there: as it is, or laid out on a terminal."""
    text = files("clearq").joinpath("docs", f"{topic}.md").read_text(encoding="utf-8")
    if not ctx.out.terminal:
        ctx.out.raw(text)
        return
    from rich.markdown import Markdown

    ctx.out.console.print(Markdown(text))
