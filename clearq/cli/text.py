"""Values as people read them: names without control characters, ages, durations, sizes, short ids. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

#: Joiners that belong to emoji and scripts; every other invisible character is shown as an escape.
_JOINERS = frozenset("\u200c\u200d")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BARS = "▁▂▃▄▅▆▇█"

#: Shortest id prefix ever shown (characters): the millisecond in which the task was made.
SHORT_ID = 12


def clean(text: str, limit: int | None = None) -> str:
    """``text`` on one line, safe for a terminal: control and direction characters become escapes.

    ``limit`` cuts it to so many characters, the last one being an ellipsis.
    """
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def clean_lines(text: str) -> str:
    """As :func:`clean`, but newlines and tabs stay."""
    return "\n".join("\t".join(map(clean, line.split("\t"))) for line in text.split("\n"))


def _visible(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char in _JOINERS or unicodedata.category(char) not in _HIDDEN:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def duration(seconds: float | None) -> str:
    """``0.3s``, ``42s``, ``3m 12s``, ``2h 05m``, ``4d 3h``, ``1h``; ``-`` for None."""
    if seconds is None:
        return "-"
    if seconds < 0:
        seconds = 0.0
    if seconds < 9.95:
        return f"{seconds:.1f}s" if seconds % 1 else f"{seconds:.0f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s" if rest else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02d}m" if minutes else f"{hours}h"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h" if hours else f"{days}d"


def age(then: float | None, now: float) -> str:
    """Time since ``then``, to the larger unit only: ``42s``, ``3m``, ``2h``, ``4d``; ``-`` for None."""
    if then is None:
        return "-"
    passed = max(0.0, now - then)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if passed >= size:
            return f"{int(passed // size)}{unit}"
    return f"{int(passed)}s"


def when(then: float | None, now: float, zone: tzinfo | None = None) -> str:
    """Local time and how long ago or ahead that is: ``2026-11-21 10:05:12 (3m ago)``."""
    if then is None:
        return "-"
    local = datetime.fromtimestamp(then, UTC).astimezone(zone)
    relative = f"{age(then, now)} ago" if then <= now else f"in {age(now, then)}"
    return f"{local:%Y-%m-%d %H:%M:%S} ({relative})"


def size(count: float | None) -> str:
    """Bytes as ``512 B``, ``3.4 KB``, ``1.2 GB`` (powers of 1024); ``-`` for None."""
    if count is None:
        return "-"
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def plural(count: int, word: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Each id with the shortest prefix (of one common length) that tells all of them apart."""
    whole = list(dict.fromkeys(ids))
    ordered = sorted(whole)
    shared = max((_common(a, b) for a, b in pairwise(ordered)), default=0)
    length = max(SHORT_ID, shared + 1)
    return {each: each[:length] for each in whole}


def _common(a: str, b: str) -> int:
    for index, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return index
    return min(len(a), len(b))


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """A row of bars, the highest value being the full one; longer series are thinned by their maxima."""
    if not values:
        return ""
    if len(values) > width:
        step = len(values) / width
        values = [max(values[int(i * step) : max(int((i + 1) * step), int(i * step) + 1)]) for i in range(width)]
    top = max(values)
    if top <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int(max(v, 0.0) / top * 7.999))] for v in values)
