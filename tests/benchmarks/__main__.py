"""``scripts/bench [--short] [--json] [NAME ...]``: measure, print one table, exit 1 if a promise was not kept.

``scripts/bench queues [...]`` compares function tasks with other frameworks and ``scripts/bench soak [...]`` runs
functions of all kinds for half an hour; both have options of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any

from clearq.cli.output import Output
from tests.benchmarks import claims, crowd, fair, idle, latency, limits, processes, start_up, waiting
from tests.benchmarks.common import Place, Row, place
from tests.benchmarks.queues.__main__ import main as queues
from tests.benchmarks.soak.__main__ import main as soak
from tests.benchmarks.table import show

#: Each gets a fresh home with its own server.
MEASUREMENTS: dict[str, Callable[..., Any]] = {
    "imports": start_up.imports,
    "sdk": start_up.sdk,
    "cached": latency.cached,
    "cold": latency.cold,
    "idle": idle.agent,
    "claims": claims.growing,
    "waiting": waiting.functions,
    "crowd": crowd.idle_workers,
    "processes": processes.worker_cpu,
    "limits": limits.cost,
    "fair": fair.cost,
}


def main() -> int:
    """The command line."""
    if sys.argv[1:2] in (["queues"], ["soak"]):
        return {"queues": queues, "soak": soak}[sys.argv[1]](sys.argv[2:])
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {' '.join(MEASUREMENTS)}")
    parser.add_argument("--short", action="store_true", help="fewer and smaller: about a minute")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unknown = set(args.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    out = Output(json=args.json)
    rows = asyncio.run(measure(args.names or list(MEASUREMENTS), out, short=args.short))
    show(rows, out)
    return 1 if any(row.kept is False for row in rows) else 0


async def measure(names: list[str], out: Output, *, short: bool) -> list[Row]:
    """The rows of the named measurements. One that cannot be made is a row too, and not kept."""
    rows: list[Row] = []
    for name in names:
        out.note(f"measuring: {name} ...")
        async with place() as here:
            try:
                rows += await _one(MEASUREMENTS[name], here, short=short)
            except Exception as error:  # the others shall still be measured
                rows.append(Row(name, f"could not be measured: {error}", kept=False))
    return rows


async def _one(function: Callable[..., Any], here: Place, *, short: bool) -> list[Row]:
    if inspect.iscoroutinefunction(function):
        return list(await function(here, short=short))
    return list(await asyncio.to_thread(function, here, short=short))


if __name__ == "__main__":
    sys.exit(main())
