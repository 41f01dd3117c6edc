"""``clearq metrics``: queues, workers and functions in Prometheus' text format, printed or served."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from clearq.cli.context import Context
from clearq.cli.values import seconds

_ABOUT = """Print metrics in Prometheus' text format, for node_exporter's textfile collector and the like:

    clearq metrics > clearq.prom.new && mv clearq.prom.new /var/lib/node_exporter/clearq.prom

or serve them at /metrics until stopped, with the sums of all workers: one such process for a namespace is enough.
Histograms are sums since the first worker ran; clearq_function_events counts over the last --since; all other figures
are of now, or sums since a worker began. CLEARQ_METRICS_TOKEN: scrapes must bear it. More: clearq help metrics"""


def register(subparsers: Any) -> None:
    """Add ``clearq metrics``."""
    parser = subparsers.add_parser("metrics", help="metrics in Prometheus' text format", description=_ABOUT)
    parser.add_argument(
        "--since", type=seconds, default=60.0, help="how far back functions are counted: 30s, 5m (default 1m)"
    )
    parser.add_argument(
        "--serve", metavar="[HOST:]PORT", help="serve them by HTTP; on this machine only unless a host is named"
    )
    parser.set_defaults(run=show_metrics)


async def show_metrics(args: Namespace, ctx: Context) -> None:
    """Print or serve them."""
    if args.serve is None:
        await _print(args, ctx)
    else:
        await _serve(args, ctx)


async def _print(args: Namespace, ctx: Context) -> None:
    from clearq.engine.prometheus import render

    engine = await ctx.engine()
    figures = await engine.figures.take(args.since)
    if ctx.out.json:
        functions = [
            {"function": function, "event": event, "count": count}
            for (function, event), count in sorted(figures.functions.items())
        ]
        histograms = [
            {**series._asdict(), "counts": found.counts, "total": found.total}
            for series, found in sorted(figures.histograms.items(), key=lambda pair: pair[0])
        ]
        ctx.out.data({**vars(figures), "functions": functions, "histograms": histograms})
    else:
        ctx.out.say(render(figures).rstrip("\n"))


async def _serve(args: Namespace, ctx: Context) -> None:
    from clearq.engine.endpoint import Address, listen
    from clearq.processes import run_metrics

    address = Address.parse(args.serve)
    ends = listen(address)

    def announce(where: Address) -> None:
        ctx.out.say(f"metrics at http://{where}/metrics")
        if not where.local and not ctx.settings.metrics_token.get_secret_value():
            ctx.out.note("anybody who reaches this port can read them: set CLEARQ_METRICS_TOKEN to ask for a token")

    try:
        await run_metrics(await ctx.engine(), ends, args.since, announce)
    finally:
        ends.close()
