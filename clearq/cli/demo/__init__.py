"""``clearq demo``: real trainings, two queues, real workers, and what happens when things go wrong."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from clearq.cli.context import Context


def register(subparsers: Any) -> None:
    """Add ``clearq demo``."""
    parser = subparsers.add_parser(
        "demo",
        help="a guided tour with real trainings",
        description="Trains eight small networks on two workers from two queues, on a private server of its"
        " own, and re-orders, aborts, breaks and kills some of them while you watch. Exits with 0 only if"
        " every outcome was the expected one.",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="DIR", help="default: ./demo-output"
    )
    parser.add_argument("--plain", action="store_true", help="lines instead of a live screen")
    parser.add_argument("--keep", action="store_true", help="keep the demo's private folder (data, environments)")
    parser.add_argument(
        "--seconds", type=float, default=5.0, metavar="N", help="how long each trial trains (default: 5)"
    )
    parser.set_defaults(run=run)


async def run(args: Namespace, ctx: Context) -> int:
    """Play the demo. 0 when every outcome was the expected one, else 1."""
    from clearq.cli.demo.play import play

    return await play(args, ctx.out)
