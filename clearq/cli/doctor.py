"""``clearq doctor``: what is wrong with the server, this host or the data, and what to do about it."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearq.cli import exits
from clearq.cli.context import Context
from clearq.cli.output import Cell
from clearq.cli.text import plural, size
from clearq.errors import ClearqError, StorageError

if TYPE_CHECKING:
    from clearq.settings import Settings
    from clearq.storage.census import Census
    from clearq.storage.connection import Storage
    from clearq.storage.health import Finding

#: Bytes of free disk below which we warn.
FREE_DISK = 1 << 30
#: Examples named in one finding.
NAMED = 5

_STYLES = {"ok": "green", "warning": "yellow", "error": "red"}


def register(subparsers: Any) -> None:
    """Add ``clearq doctor``."""
    parser = subparsers.add_parser(
        "doctor",
        help="check the server, this host and the data",
        description="Check the server, this host and the data; exits 1 when there is an error. It changes nothing.",
    )
    parser.add_argument("--keys", action="store_true", help="print what lies where in Redis, for use with redis-cli")
    parser.set_defaults(run=examine)


async def examine(args: Namespace, ctx: Context) -> int:
    """Check everything and print the findings."""
    if args.keys:
        return _keys(ctx)
    with ctx.out.status() as status:
        findings = [*_host(ctx.settings), *await _server(ctx, status.update)]
    if ctx.out.json:
        ctx.out.data([vars(finding) for finding in findings])
    else:
        _print(ctx, findings)
    return exits.FAILED if any(finding.level == "error" for finding in findings) else exits.OK


def _keys(ctx: Context) -> int:
    from clearq.cli.help import print_page
    from clearq.storage.keys import PATTERNS

    if ctx.out.json:
        ctx.out.data([vars(row) for row in PATTERNS])
    else:
        print_page("keys", ctx)
    return exits.OK


def _print(ctx: Context, findings: list[Finding]) -> None:
    pairs: list[tuple[str, Cell]] = []
    for finding in findings:
        says = f"{finding.level}: {finding.says}" if finding.level != "ok" else f"ok  {finding.says}"
        pairs.append((finding.check, Cell(says, _STYLES[finding.level])))
    ctx.out.fields(pairs)
    advice = [finding for finding in findings if finding.advice]
    if advice:
        ctx.out.heading("What to do")
        for finding in advice:
            ctx.out.say(f"{finding.check}: {finding.advice}")


def _host(settings: Settings) -> list[Finding]:
    """What work on this host needs."""
    from clearq.agent.home import unusable
    from clearq.storage.health import Finding, Level

    if why := unusable(settings.home):
        advice = "set CLEARQ_HOME (or --home) to a folder of yours with room: all that clearq keeps here lies there"
        return [Finding("home", Level.ERROR, f"{settings.home} cannot be used: {why}", advice)]
    existing = next((path for path in (settings.home, *settings.home.parents) if path.exists()), Path("/"))
    free = shutil.disk_usage(existing).free
    level, advice = Level.OK, ""
    if free < FREE_DISK:
        level, advice = Level.WARNING, "free some: environments, logs and the private server's data lie there"
    findings = [Finding("disk", level, f"{size(free)} free for {settings.home}", advice)]
    if shutil.which("git") is None:
        findings.append(Finding("git", Level.WARNING, "not found: no repository can be run here", "install git"))
    return findings


async def _server(ctx: Context, say: Any) -> list[Finding]:
    from clearq.storage.health import Finding, Level, ask, judge

    try:
        url = await _url(ctx.settings)
        if url is None:
            return [_private(ctx.settings)]
        storage = _storage(ctx.settings, url)
        try:
            findings = judge(await ask(storage))
            if any(finding.check == "server" and finding.level == "error" for finding in findings):
                return findings
            return findings + await _data(storage, say)
        finally:
            await storage.close()
    except ClearqError as error:
        says, _, advice = str(error).partition("\n")
        return [Finding("server", Level.ERROR, says, advice)]


def _private(settings: Settings) -> Finding:
    """The private server does not run."""
    from clearq.storage.embedded import last_words
    from clearq.storage.health import Finding, Level

    if (words := last_words(settings)) is None:
        return Finding("server", Level.OK, "the private server does not run; it starts when it is needed")
    advice = f"`clearq up` starts it again and says what hinders it; its log ends:\n{words}"
    return Finding("server", Level.WARNING, "the private server has ended, but nobody stopped it", advice)


async def _url(settings: Settings) -> str | None:
    """The server's URL; None when the private one does not run (and a check must not start it)."""
    if not settings.embedded:
        return settings.url.get_secret_value()
    from clearq.storage import embedded

    found = await embedded.find(settings)
    return None if found is None else found.url


def _storage(settings: Settings, url: str) -> Storage:
    """Not through ``Storage.connect``: that refuses servers and data which we are to examine."""
    from clearq.storage.connection import Storage

    return Storage(settings.model_copy(update={"patience": min(settings.patience, 2.0)}), url)


async def _data(storage: Storage, say: Any) -> list[Finding]:
    """Schema, keys and the place of every task."""
    from clearq.storage.census import take
    from clearq.storage.health import Finding, Level
    from clearq.storage.keys import SCHEMA

    schema = await storage.command("HGET", storage.keys.meta, "schema")
    if schema is None:
        return [Finding("data", Level.OK, f"nothing yet in namespace {storage.settings.namespace}")]
    if schema != SCHEMA:
        return [
            Finding(
                "data",
                Level.ERROR,
                f"layout {schema}; this clearq knows layout {SCHEMA}",
                "install the version of clearq that wrote it, or choose another CLEARQ_NAMESPACE",
            )
        ]
    try:
        census = await take(storage, lambda count: say("reading keys …", more=f"{count:,}"))
    except StorageError as error:
        return [Finding("data", Level.ERROR, f"cannot be read: {error}")]
    return judge_census(census)


def judge_census(census: Census) -> list[Finding]:
    """What a count of the data means. Pure."""
    from clearq.storage.health import Finding, Level

    total = sum(census.keys.values())
    statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(census.tasks.items()))
    findings = [Finding("keys", Level.OK, f"{plural(total, 'key')}, all of them in the table")]
    strange = [f"{name!r}" for name in census.unknown]
    strange += [f"{name!r} is a {kind}, not a {wanted}" for name, kind, wanted in census.mistyped]
    if strange:
        says = f"{plural(len(strange), 'key')} not as in `clearq doctor --keys`: {_some(strange)}"
        advice = "another program writes into this namespace, or a newer clearq did; nothing here reads them"
        findings = [Finding("keys", Level.ERROR, says, advice)]
    findings.append(_tasks(census, statuses))
    if census.permits:
        wrong = [f"limit {key}: {fault}" for key, fault in census.permits]
        advice = (
            "keep this output for a bug report; `clearq queue limit QUEUE NAME --concurrent N` with a higher N helps on"
        )
        says = f"{plural(len(wrong), 'key')} with wrong permits: {_some(wrong)}"
        findings.append(Finding("limits", Level.ERROR, says, advice))
    return findings


def _tasks(census: Census, statuses: str) -> Finding:
    from clearq.storage.health import Finding, Level

    if not census.misplaced:
        return Finding("tasks", Level.OK, f"{statuses or 'none yet'}; each stands in its one place")
    examples = [f"{task_id} is {fault}" for task_id, fault in census.misplaced]
    says = f"{plural(len(examples), 'task')} in a wrong place: {_some(examples)}"
    advice = "keep this output for a bug report; `clearq task reset ID` and `enqueue` put a task right"
    return Finding("tasks", Level.ERROR, says, advice)


def _some(items: list[str]) -> str:
    more = f" and {len(items) - NAMED:,} more" if len(items) > NAMED else ""
    return "; ".join(items[:NAMED]) + more
