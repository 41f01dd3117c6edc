"""The figures as bars, in one SVG without further software."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tests.benchmarks.queues.peers import CLEARQ
from tests.benchmarks.queues.run import Results

#: Title, figure, digits.
PANELS = (
    ("run by one worker process, results kept, tasks/s", "drain", 0),
    ("worker CPU, us a task (less is better)", "worker_us", 0),
    ("enqueued one by one, tasks/s", "single", 0),
    ("enqueue to result, idle worker, median, ms (less is better)", "result_p50", 1),
)
COLUMNS, WIDTH, BAR, GAP, LEFT, HEAD = 2, 460, 18, 6, 80, 40
STYLE = (
    "text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.foot{font-size:10px;fill:#777}"
    ".bar{fill:#9aa5b1}.ours{fill:#d9480f}.page{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.foot{fill:#999}.bar{fill:#5c6773}.ours{fill:#ff7a3d}"
    ".page{fill:#15181c}}"
)


def svg(results: Results, peers: Sequence[str]) -> str:
    """Panels side by side, one bar a peer; light or dark as the reader's page is."""
    parts, height = [], HEAD + len(peers) * (BAR + GAP) + 16
    for number, (title, name, digits) in enumerate(PANELS):
        values = {peer: value for peer in peers if (value := results.median(peer, name)) is not None}
        if values:
            left, top = number % COLUMNS * WIDTH, number // COLUMNS * height
            parts.append(f'<g transform="translate({left} {top})">{_panel(title, values, digits)}</g>')
    ran, bottom = results.ran, math.ceil(len(PANELS) / COLUMNS) * height
    foot = f"{ran['server']}, Python {ran['python']}, {ran['machine']}; medians of {ran['rounds']} interleaved rounds"
    parts.append(f'<text x="10" y="{bottom + 14}" class="foot">{escape(foot)}</text>')
    width, all_of_it = COLUMNS * WIDTH, "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 26}" '
        f'viewBox="0 0 {width} {bottom + 26}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" class="page"/>{all_of_it}</svg>\n'
    )


def _panel(title: str, values: dict[str, float], digits: int) -> str:
    parts = [f'<text x="10" y="24" class="title">{escape(title)}</text>']
    most = max(value for value in values.values() if math.isfinite(value))
    for number, (peer, value) in enumerate(values.items()):
        y = HEAD + number * (BAR + GAP)
        width = max(1.0, (WIDTH - LEFT - 80) * value / most)
        kind = "ours" if peer == CLEARQ.name else "bar"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(peer)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" class="{kind}"/>')
        parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 13}">{value:,.{digits}f}</text>')
    return "".join(parts)
