"""``clearq metrics``: queues, workers and functions in Prometheus' text format."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from clearq.cli.context import Context
from clearq.cli.values import seconds

_ABOUT = """Print metrics in Prometheus' text format, for node_exporter's textfile collector and the like:

    clearq metrics > clearq.prom.new && mv clearq.prom.new /var/lib/node_exporter/clearq.prom

clearq_function_events counts over the last --since; all other figures are of now, or sums since a worker began."""


def register(subparsers: Any) -> None:
    """Add ``clearq metrics``."""
    parser = subparsers.add_parser("metrics", help="metrics in Prometheus' text format", description=_ABOUT)
    parser.add_argument(
        "--since", type=seconds, default=60.0, help="how far back functions are counted: 30s, 5m (default 1m)"
    )
    parser.set_defaults(run=print_metrics)


async def print_metrics(args: Namespace, ctx: Context) -> None:
    """Print them."""
    from clearq.engine.prometheus import render

    engine = await ctx.engine()
    figures = await engine.figures.take(args.since)
    if ctx.out.json:
        functions = [
            {"function": function, "event": event, "count": count}
            for (function, event), count in sorted(figures.functions.items())
        ]
        ctx.out.data({**vars(figures), "functions": functions})
    else:
        ctx.out.say(render(figures).rstrip("\n"))
