"""``clearq worker run``: run an app's functions."""

from __future__ import annotations

import asyncio
import logging
import os
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clearq.cli import exits
from clearq.cli.context import Context
from clearq.cli.text import plural
from clearq.errors import UsageError

if TYPE_CHECKING:
    from clearq.worker.parent import Parent

RUN = """Run the functions of an app as they come, many side by side.

The command itself keeps the leases and runs no code of yours; its processes do. Ctrl-C or SIGTERM: nothing more is
taken, what runs may end within the grace, the rest is handed back unharmed. A second one does not wait."""


def register_run(verbs: Any) -> None:
    """Add ``clearq worker run``."""
    run = verbs.add_parser("run", help="run the functions of an app", description=RUN)
    run.add_argument("app", metavar="MODULE:APP", nargs="?", help="where the app is, such as tasks:app")
    run.add_argument("--arq", metavar="SETTINGS", help="run arq's settings instead, such as my.WorkerSettings")
    run.add_argument(
        "--queues",
        metavar="NAMES",
        help="a,b: take from these, in this order of priority (default: those that the app's functions name)",
    )
    run.add_argument("--concurrency", type=int, metavar="N", help="functions at once in each process (default 100)")
    run.add_argument("--processes", type=int, default=1, metavar="N", help="processes (default 1)")
    run.add_argument("--burst", action="store_true", help="end when nothing is left to do, delayed tasks included")
    run.add_argument("--grace", type=float, metavar="SECONDS", help="for what runs after SIGTERM (default 30)")
    run.add_argument("--name", default="", help="beginning of the worker's name (default: the host's)")
    run.add_argument(
        "--metrics",
        metavar="[HOST:]PORT",
        help="serve Prometheus metrics of this worker by HTTP; on this machine only unless a host is named",
    )
    run.set_defaults(run=run_functions, advice=_advice)


def run_functions(args: Namespace, ctx: Context) -> int:
    """Run until stopped."""
    from clearq.processes import run_worker
    from clearq.telemetry import configure_logging
    from clearq.worker.options import CONCURRENCY, GRACE, WorkerOptions

    options = WorkerOptions(
        app=_app(args),
        queues=tuple(name.strip() for name in args.queues.split(",") if name.strip()) if args.queues else (),
        processes=args.processes,
        concurrency=CONCURRENCY if args.concurrency is None else args.concurrency,
        burst=args.burst,
        grace=GRACE if args.grace is None else args.grace,
        name=args.name,
        metrics=args.metrics or "",
    )
    given = {name: value for name in ("url", "namespace", "home") if (value := getattr(args, name, None)) is not None}
    configure_logging("DEBUG" if os.environ.get("CLEARQ_DEBUG") else ctx.settings.log_level)
    logging.getLogger("clearq").propagate = False
    asyncio.run(run_worker(options, {name: str(value) for name, value in given.items()}, lambda p: _banner(p, ctx)))
    ctx.out.note("stopped")
    return exits.OK


def _app(args: Namespace) -> str:
    if (args.app is None) == (args.arq is None):
        raise UsageError("name one app, such as tasks:app; or arq's settings: --arq my.WorkerSettings")
    return f"clearq.arq.worker:{args.arq}" if args.arq is not None else str(args.app)


def _advice(words: Sequence[str]) -> str:
    """What to do about words too many."""
    from clearq.worker.options import ONE_EACH

    return ONE_EACH if any(":" in word and not word.startswith("-") for word in words) else ""


def _banner(parent: Parent, ctx: Context) -> None:
    options, settings = parent.options, parent.engine.storage.settings
    ctx.out.say(f"worker {', '.join(child.label for child in parent.children.values())}")
    ctx.out.fields(
        [
            ("app", options.app),
            ("queues", f"{', '.join(parent.queues)}{' (in this order)' if len(parent.queues) > 1 else ''}"),
            ("at once", f"{plural(parent.concurrency, 'function')} in each process; processes: {options.processes}"),
            ("server", f"{settings.shown_url}, namespace {settings.namespace}"),
        ]
    )
