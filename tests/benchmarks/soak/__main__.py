"""``scripts/bench soak [--minutes 30]``: functions of all kinds while a process is killed every 20 seconds.

Exit 1 if something was lost or doubled, a key stayed, or memory grew.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from clearq.cli.output import Output
from tests.benchmarks.common import Row, place
from tests.benchmarks.soak.memory import MB
from tests.benchmarks.soak.run import Extent, Soaked, soak
from tests.benchmarks.table import show

#: Names of what is sampled, in words.
WORDS = {
    "parent": "resident: the worker's parent",
    "child": "resident: its process that lives all along",
    "client": "resident: the client",
    "used": "used by the server, but for its trimmed streams of events",
    "keys": "keys in the server",
}

#: Seconds until the first results have expired and all caches are full.
WARM = 150.0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=150.0, metavar="N", help="calls a second (default 150)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the calls (default 1)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    out = Output(json=args.json)
    extent = Extent(args.minutes * 60, rate=args.rate, seed=args.seed)
    result = asyncio.run(_run(extent, out))
    for fault in result.ledger.faults:
        out.note(fault)
    table = rows(result, extent)
    show(table, out)
    return 1 if any(row.kept is False for row in table) else 0


async def _run(extent: Extent, out: Output) -> Soaked:
    async with place() as here:
        return await soak(here, extent, out.note, outlive=True)


def rows(result: Soaked, extent: Extent) -> list[Row]:
    """What was measured, and whether it is as promised."""
    counts, ledger = result.ledger.counts, result.ledger
    wrong = {name: counts[name] for name in ("lost", "doubled", "failed", "early", "overlap") if counts[name]}
    missing = ledger.unsettled()
    shown = ", ".join(f"{count} {name}" for name, count in wrong.items()) or "none"
    found = [
        Row(
            "soak: calls lost, doubled, failed, early, against a limit",
            f"{shown}; of {ledger.asked:,} in {result.seconds / 60:.1f} min, {counts['losses']} of them interrupted "
            f"by {result.kills} kills; {result.slots} slots of cron",
            "none",
            not wrong and not missing,
            {"calls": ledger.asked, "kills": result.kills, "losses": counts["losses"], "minutes": result.seconds / 60},
        ),
        Row(
            "soak: keys that stay after the results' lifetime",
            f"{', '.join(result.left[:5]) or 'none'} ({result.keys[0]} before, {result.keys[1]} after)",
            "none",
            not result.left,
        ),
    ]
    warm = int(WARM / extent.sample_every)
    for name, words in WORDS.items():
        if len(result.memory.taken.get(name, ())) > 2 * warm:
            found.append(_grown(result, name, words, warm))
    return found


def _grown(result: Soaked, name: str, words: str, warm: int) -> Row:
    first, last, flat = result.memory.growth(name, warm)
    unit = 1 if name == "keys" else MB
    shown = f"{first / unit:,.1f} to {last / unit:,.1f}{'' if name == 'keys' else ' MB'}"
    return Row(f"soak, {words}", f"{shown}, first and last third", "flat", flat, {"first": first, "last": last})


if __name__ == "__main__":
    sys.exit(main())
