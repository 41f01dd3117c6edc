"""Which columns of a table fit a terminal, and how wide each may be. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 2  #: spaces between columns

#: A column that may shrink is not made narrower than this while another could be dropped instead.
COMFORT = 16
#: Nor ever narrower than this.
LEAST = 6


@dataclass(frozen=True)
class Column:
    """A column: ``shrinks`` when it may be cut, ``drop`` > 0 when it may go (the highest goes first)."""

    title: str
    right: bool = False
    shrinks: bool = False
    drop: int = 0


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[tuple[int, int]]:
    """Indices and widths of the columns to show on ``width`` terminal cells (``None``: no limit)."""
    from rich.cells import cell_len

    widths = [
        max([cell_len(column.title), *(cell_len(row[index]) for row in rows)]) for index, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    if width is None:
        return [(index, widths[index]) for index in shown]
    while True:
        fitted = _shrink([(i, widths[i], columns[i].shrinks) for i in shown], width, COMFORT)
        if _total(fitted) <= width:
            return fitted
        candidates = [i for i in shown if columns[i].drop]
        if not candidates:
            return _shrink([(i, widths[i], columns[i].shrinks) for i in shown], width, LEAST)
        shown.remove(max(candidates, key=lambda i: columns[i].drop))


def _total(widths: Sequence[tuple[int, int]]) -> int:
    return sum(width for _, width in widths) + GAP * (len(widths) - 1)


def _shrink(columns: Sequence[tuple[int, int, bool]], width: int, least: int) -> list[tuple[int, int]]:
    """Take the excess from the widest column that may shrink, a cell at a time."""
    sizes = {index: size for index, size, _ in columns}
    flexible = [index for index, _, shrinks in columns if shrinks]
    excess = sum(sizes.values()) + GAP * (len(sizes) - 1) - width
    while excess > 0 and flexible:
        widest = max(flexible, key=lambda index: sizes[index])
        if sizes[widest] <= least:
            break
        sizes[widest] -= 1
        excess -= 1
    return list(sizes.items())
