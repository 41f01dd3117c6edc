"""Which row of the table a key belongs to."""

from __future__ import annotations

import pytest

from clearq.storage.keys import PATTERNS
from clearq.storage.table import row_of


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("meta", "meta"),
        ("t:" + "0" * 32, "t:<task>"),
        ("q:gpu-queue", "q:<queue>"),
        ("fn:gpu-queue", "fn:<queue>"),
        ("fn.shop:gpu-queue", "fn.<app>:<queue>"),
        ("own:lab1:gpu0,1.abc", "own:<holder>"),
        ("unique:a key: with\nlines and ü", "unique:<key>"),
        ("scalar:abc:loss: a/b c", "scalar:<task>:<metric>"),
        ("series:worker:lab1:gpu0", "series:worker:<label>"),
        ("idle:q:default", "idle:<lane>"),
    ],
)
def test_keys_find_their_row(name: str, pattern: str) -> None:
    row = row_of(name)
    assert row is not None
    assert row.pattern == pattern


@pytest.mark.parametrize("name", ["", "meta:1", "t:", "x", "series:gpu:1", "queue", "fn.:default", "scalar:abc"])
def test_strange_keys_find_none(name: str) -> None:
    assert row_of(name) is None


def test_no_row_hides_another() -> None:
    for row in PATTERNS:
        name = row.pattern.replace("<", "").replace(">", "")
        assert row_of(name) is row, row.pattern
