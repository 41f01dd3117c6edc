"""``scripts/bench queues``: clearq and its peers in turn on one server. Exit 1 if a promise was not kept."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clearq.cli.output import Output
from tests.benchmarks.queues.peers import CLEARQ, PEERS, Peer
from tests.benchmarks.queues.plot import svg
from tests.benchmarks.queues.report import promises, table
from tests.benchmarks.queues.run import SHORT, Extent, Results, run


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench queues", description=__doc__)
    parser.add_argument("--peers", metavar="A,B", help=f"only these besides clearq: {' '.join(PEERS)}")
    parser.add_argument("--short", action="store_true", help="one round, smaller: some minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds (default 5)")
    parser.add_argument("--no-kill", action="store_true", help="leave out kill -9")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("bench-output"), help="folder for queues.json and .svg")
    args = parser.parse_args(argv)
    extent = SHORT if args.short else Extent()
    extent = replace(extent, rounds=args.rounds or extent.rounds, kills=not args.no_kill)
    out = Output(json=args.json)
    peers = _chosen(args.peers, parser)
    results = run(peers, extent, out.note)
    args.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results.document(), indent=2) + "\n"
    (args.output / "queues.json").write_text(text)
    (args.output / "queues.svg").write_text(svg(results, [peer.name for peer in peers]))
    (args.output / "queues.md").write_text(table(results, [peer.name for peer in peers]) + "\n")
    if args.json:
        out.raw(text)
    else:
        _print(results, peers, out)
    return 1 if results.errors or any(row.kept is False for row in promises(results)) else 0


def _chosen(names: str | None, parser: argparse.ArgumentParser) -> list[Peer]:
    chosen = [CLEARQ.name, *(names.split(",") if names else PEERS)]
    unknown = set(chosen) - set(PEERS)
    if unknown:
        parser.error(f"there is no peer {', '.join(sorted(unknown))}; there are {' '.join(PEERS)}")
    return [PEERS[name] for name in dict.fromkeys(chosen)]


def _print(results: Results, peers: Sequence[Peer], out: Output) -> None:
    out.say(table(results, [peer.name for peer in peers]) + "\n")
    for row in promises(results):
        out.say(f"{'kept    ' if row.kept else 'NOT KEPT'}  {row.what}: {row.measured}")
    for peer, errors in results.errors.items():
        for error in errors:
            out.say(f"\n{peer} could not be measured: {error}")
    ran = results.ran
    out.say(f"\n{ran['server']}, Python {ran['python']}, {ran['machine']}, load {ran['load'][0]:.1f} at the beginning")


if __name__ == "__main__":
    sys.exit(main())
