"""Which row of the key table a key belongs to."""

from __future__ import annotations

import re
from functools import cache

from clearq.storage.keys import PATTERNS, KeyPattern

_PART = re.compile(r"<\w+>")


@cache
def _table() -> tuple[tuple[re.Pattern[str], KeyPattern], ...]:
    return tuple((_expression(row.pattern), row) for row in PATTERNS)


def _expression(pattern: str) -> re.Pattern[str]:
    """A part that stands last may hold anything, colons too; the others end at the next colon."""
    literals = _PART.split(pattern)
    parts = len(literals) - 1
    text = re.escape(literals[0])
    for index, literal in enumerate(literals[1:], start=1):
        last = index == parts and not literal
        text += (".+" if last else "[^:]+") + re.escape(literal)
    return re.compile(text, re.DOTALL)


def row_of(name: str) -> KeyPattern | None:
    """The row of a key (without its ``{namespace}:`` tag), or None when the table does not know it."""
    return next((row for expression, row in _table() if expression.fullmatch(name)), None)
