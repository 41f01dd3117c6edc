"""The figures as bars, in one SVG without further software."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tests.benchmarks.queues.peers import CLEARQ
from tests.benchmarks.queues.run import Results

#: Title, figure, digits.
PANELS = (
    ("drained by one worker process, tasks/s (more is better)", "drain", 0),
    ("enqueued one by one, tasks/s (more is better)", "single", 0),
    ("enqueue to start, median, ms (less is better)", "start_p50", 1),
    ("worker CPU, us a task (less is better)", "worker_us", 0),
)
WIDTH, BAR, GAP, LEFT, HEAD = 760, 18, 6, 90, 34


def svg(results: Results, peers: Sequence[str]) -> str:
    """One panel below the other, one bar a peer."""
    parts, top = [], 10
    for title, name, digits in PANELS:
        values = {peer: value for peer in peers if (value := results.median(peer, name)) is not None}
        if values:
            parts.append(_panel(title, values, digits, top))
            top += HEAD + len(values) * (BAR + GAP) + 10
    ran = results.ran
    foot = f"{ran['server']}, Python {ran['python']}, {ran['machine']}; medians of {ran['rounds']} interleaved rounds"
    parts.append(f'<text x="10" y="{top + 14}" class="foot">{escape(foot)}</text>')
    style = (
        "text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.foot{font-size:10px;fill:#777}"
        ".bar{fill:#9aa5b1}.ours{fill:#d9480f}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 26}">'
        f'<rect width="100%" height="100%" fill="#fff"/><style>{style}</style>{"".join(parts)}</svg>\n'
    )


def _panel(title: str, values: dict[str, float], digits: int, top: int) -> str:
    parts = [f'<text x="10" y="{top + 16}" class="title">{escape(title)}</text>']
    most = max(value for value in values.values() if math.isfinite(value))
    for number, (peer, value) in enumerate(values.items()):
        y = top + HEAD - 8 + number * (BAR + GAP)
        width = max(1.0, (WIDTH - LEFT - 90) * value / most)
        kind = "ours" if peer == CLEARQ.name else "bar"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(peer)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" class="{kind}"/>')
        parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 13}">{value:,.{digits}f}</text>')
    return "".join(parts)
