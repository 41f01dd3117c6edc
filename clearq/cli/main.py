"""``clearq``: finds the noun, imports its file only, runs the verb, turns errors into exit codes.

A noun's file exposes ``register(subparsers) -> None``, which adds its parser (and its verbs) and names the
function of each with ``set_defaults(run=function)``: ``function(args, ctx) -> int | None``, plain or
``async``. ``ctx`` is a :class:`clearq.cli.context.Context`. A verb that knows what words too many may mean adds
``advice=function``: ``function(words) -> str``, a line of the error. The flags of ``add_global_flags`` belong to every
parser, before or after the noun: do not add them again. New nouns get a line in :mod:`clearq.cli.nouns`.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Coroutine, Iterable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from clearq._version import __version__
from clearq.cli import exits
from clearq.cli.nouns import GROUPS, NOUNS
from clearq.cli.text import clean_lines
from clearq.errors import ClearqError, UsageError

_VALUED = ("--url", "--namespace", "--home")
_GLOBAL = ("url", "namespace", "home", "json")
_GROUP = "global options"


class Formatter(argparse.HelpFormatter):
    """Keeps descriptions that have line breaks as they are, and the global flags out of the usage line."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)

    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Any, prefix: str | None = None
    ) -> None:
        """As argparse does, without the actions that every command has."""
        own = [each for each in actions if each.dest not in _GLOBAL and each.dest != "help"]
        super().add_usage(usage, own, groups, prefix)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose sub-parsers all know the global flags, and whose errors name the help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", Formatter)
        super().__init__(*args, **kwargs)
        add_global_flags(self)

    def format_help(self) -> str:
        """The global options come last."""
        self._action_groups.sort(key=lambda group: group.title == _GROUP)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise: the caller prints it and chooses the exit code."""
        raise UsageError(f"{self._plain(message)}\nsee: {self.prog} --help")

    def _plain(self, message: str) -> str:
        """argparse's words for a wrong verb or number, in words for people."""
        if found := re.fullmatch(r"argument VERB: invalid choice: '(.*?)' \(choose from (.*)\)", message, re.DOTALL):
            verbs = re.findall(r"\w[\w-]*", found[2])
            return f"there is no {self.prog} {found[1][:80]}\n{_nearest(found[1], verbs, self.prog)}"
        return re.sub(r"invalid (?:int|float) value: ", "not a number: ", message)


def add_global_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of every command. Nothing is set when they are absent, so either place on the line counts."""
    group = parser.add_argument_group(_GROUP)
    group.add_argument(
        "--url",
        default=argparse.SUPPRESS,
        help="Redis or Valkey: redis://, rediss:// or unix:// (better: CLEARQ_URL, which `ps` does not show);"
        " default: a private server of this user",
    )
    group.add_argument("--namespace", default=argparse.SUPPRESS, help="first part of every key")
    group.add_argument("--home", default=argparse.SUPPRESS, metavar="DIR", help="caches and the private server")
    group.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _main(words)
    except SystemExit as stop:  # argparse, after it has printed a help
        return stop.code if isinstance(stop.code, int) else exits.USAGE
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) has gone: not our error, and no traceback at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    except ClearqError as error:
        if os.environ.get("CLEARQ_DEBUG"):
            raise
        print_error(str(error))
        return exits.code_of(error)


def _main(words: list[str]) -> int:
    _refuse_bytes(words)
    index = _noun_at(words)
    if index is None or words[index] in ("-h", "--help", "--version", "-V"):
        return _top(words[index] if index is not None else "--help")
    args = _parse(words, index)
    if args is None:
        return exits.OK
    code = _run(args)
    sys.stdout.flush()
    return code


def _parse(words: list[str], index: int) -> argparse.Namespace | None:
    """The parsed line; ``None`` when a noun stood alone and its help was printed."""
    noun = NOUNS.get(words[index])
    if noun is None:
        raise UsageError(_unknown(words[index]))
    following = _noun_at(words, index + 1)
    if noun.default_verb and following is not None and words[following] not in ("-h", "--help"):  # noqa: SIM102
        if words[following].startswith("-"):
            words = [*words[: index + 1], noun.default_verb, *words[index + 1 :]]
    parser = Parser(prog="clearq", add_help=False)
    subparsers = parser.add_subparsers(dest="noun", metavar="COMMAND", required=True)
    import_module(f"clearq.cli.{noun.module}").register(subparsers)
    args, unknown = parser.parse_known_args(words)
    if unknown:
        verb, advice = getattr(args, "verb", None), getattr(args, "advice", None)
        told = f"{said}\n" if advice and (said := advice(unknown)) else ""
        raise UsageError(
            f"not understood: {' '.join(unknown)[:200]}\n"
            f"{told}see: clearq {noun.name}{f' {verb}' if verb else ''} --help"
        )
    if not hasattr(args, "run"):
        subparsers.choices[noun.name].print_help()
        return None
    return args


def _run(args: argparse.Namespace) -> int:
    from clearq.cli.context import Context
    from clearq.telemetry import configure_logging

    configure_logging("DEBUG" if os.environ.get("CLEARQ_DEBUG") else "WARNING")
    ctx = Context(args)
    result = args.run(args, ctx)
    if isinstance(result, Coroutine):
        import asyncio

        result = asyncio.run(_close_after(result, ctx))
    return exits.OK if result is None else int(result)


async def _close_after(command: Coroutine[Any, Any, Any], ctx: Any) -> Any:
    try:
        return await command
    finally:
        await ctx.close()


def _noun_at(words: Sequence[str], start: int = 0) -> int | None:
    """Where the first word stands that is no global flag and no value of one."""
    index = start
    while index < len(words):
        word = words[index]
        if word in _VALUED:
            index += 2
        elif word == "--json" or word.partition("=")[0] in _VALUED:
            index += 1
        else:
            return index
    return None


def _top(word: str) -> int:
    if word in ("--version", "-V"):
        sys.stdout.write(f"clearq {__version__}\n")
        return exits.OK
    lines = ["Queue work on shared machines: scripts, repositories, containers, functions.", ""]
    lines += ["usage: clearq COMMAND [options]", ""]
    for title, nouns in GROUPS:
        lines.append(f"{title}:")
        lines += [f"  {noun.name:<9} {noun.summary}" for noun in nouns]
        lines.append("")
    lines += [
        "Every command:  --url URL  --namespace NAME  --home DIR  --json  --help",
        "Without --url or CLEARQ_URL, a private server of this user is used and started when needed.",
        "",
        "clearq COMMAND --help tells more;  clearq help lists the pages;  clearq --version.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return exits.OK


def _unknown(word: str) -> str:
    return f"there is no command {word[:80]!r}\n{_nearest(word, NOUNS, 'clearq') or 'see: clearq --help'}"


def _nearest(word: str, known: Iterable[str], before: str) -> str:
    """A line that names the likeliest of the ``known`` words; for a few of them, all."""
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean: {before} {near[0]}"
    return f"there are: {', '.join(known)}" if known and before != "clearq" else ""


def _refuse_bytes(words: Sequence[str]) -> None:
    """Arguments that are not valid text cannot be stored: say so before anything is done."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(f"an argument is not valid UTF-8: {word[:80]!a}") from None


def print_error(message: str) -> None:
    """``error: …`` on stderr, the following lines (what to do) as they are."""
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    head = "\x1b[1;31merror:\x1b[0m" if colour else "error:"
    lines = "\n".join(map(_cut, message.split("\n")))
    sys.stderr.write(f"{head} {clean_lines(lines)}\n")


def _cut(line: str) -> str:
    """A line without the middle of any word of hundreds of characters, nor more than a screen of it."""
    line = re.sub(r"\S{160,}", lambda word: f"{word[0][:60]}…{word[0][-20:]}", line)
    return line if len(line) <= 1200 else f"{line[:700]} … {line[-400:]}"
