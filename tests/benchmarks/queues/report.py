"""The figures as tables, and whether the promises were kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.benchmarks.queues.peers import CLEARQ
from tests.benchmarks.queues.run import Results

#: Heading, figure, digits after the point.
COLUMNS = (
    ("enqueue/s", "single", 0),
    ("bulk/s", "bulk", 0),
    ("drain/s", "drain", 0),
    ("drain/s, no results", "bare", 0),
    ("worker us/task", "worker_us", 0),
    ("server us/task", "server_us", 0),
    ("commands/task", "commands", 1),
    ("bytes waiting", "bytes", 0),
    ("start p50 ms", "start_p50", 1),
    ("start p99 ms", "start_p99", 1),
    ("result p50 ms", "result_p50", 1),
    ("result p99 ms", "result_p99", 1),
    ("rerun after kill -9, s", "rerun", 1),
)


@dataclass(frozen=True)
class Promise:
    """One promise of clearq's. ``kept`` is None where nothing could be compared."""

    what: str
    measured: str
    kept: bool | None


def table(results: Results, peers: Iterable[str]) -> str:
    """Markdown: one row a peer, medians of the rounds."""
    lines = [
        "| | " + " | ".join(heading for heading, _, _ in COLUMNS) + " |",
        "| --- |" + " ---: |" * len(COLUMNS),
    ]
    for peer in peers:
        cells = [_cell(results.median(peer, name), digits) for _, name, digits in COLUMNS]
        lines.append(f"| {peer} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def promises(results: Results) -> list[Promise]:
    """What issue and README promise, from the medians of one run."""
    rows = [
        _ratio(results, "drain, of arq's", ("drain",), 10, only="arq"),
        _ratio(results, "drain, of the fastest peer's", ("drain", "bare"), 4),
        _ratio(results, "enqueue one by one, of the best peer's", ("single",), 1),
        _ratio(results, "enqueue in bulk, of the best peer's", ("bulk",), 3),
        *(_least(results, f"{name.replace('_', ' ')} of an idle worker, ms", name) for name in _LATENCIES),
    ]
    ours, arqs = results.median(CLEARQ.name, "bytes"), results.median("arq", "bytes")
    if ours is not None and arqs is not None:
        rows.append(Promise("bytes of a waiting task, at most arq's", f"{ours:.0f} to {arqs:.0f}", ours <= arqs))
    for what, name, limit in (("with its parent alive", "rerun_child", 1.0), ("of everything", "rerun", 15.0)):
        seconds = results.median(CLEARQ.name, name)
        if seconds is not None:
            words = f"all run again after {seconds:.2f} s" if math.isfinite(seconds) else "not all ran again"
            rows.append(Promise(f"kill -9 {what}, within {limit:g} s", words, seconds <= limit))
    return [row for row in rows if row.measured]


_LATENCIES = ("start_p50", "start_p99", "result_p50", "result_p99")


def _ratio(results: Results, what: str, names: tuple[str, ...], least: float, only: str = "") -> Promise:
    ours = results.median(CLEARQ.name, names[0])
    best, who = _best(results, names, max, only)
    if ours is None or best is None:
        return Promise(what, "", None)
    ratio = ours / best
    return Promise(f"{what}: >= {least:g} x", f"{ratio:.1f} x ({ours:,.0f} to {best:,.0f}/s, {who})", ratio >= least)


def _least(results: Results, what: str, name: str) -> Promise:
    ours = results.median(CLEARQ.name, name)
    best, who = _best(results, (name,), min)
    if ours is None or best is None:
        return Promise(what, "", None)
    return Promise(f"{what}: least of all", f"{ours:.2f} to {best:.2f} ({who})", ours <= best)


def _best(
    results: Results,
    names: tuple[str, ...],
    choose: Callable[[list[tuple[float, str]]], tuple[float, str]],
    only: str = "",
) -> tuple[float | None, str]:
    found = [
        (value, peer)
        for peer in results.figures
        if peer != CLEARQ.name and only in ("", peer)
        for name in names
        if (value := results.median(peer, name)) is not None
    ]
    return choose(found) if found else (None, "")


def _cell(value: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:,.{digits}f}" if math.isfinite(value) else "not"
