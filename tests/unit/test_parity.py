"""``tests/parity.md`` names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "tests" / "parity.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_named_tests_exist(path: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    defined = set(re.findall(r"def (test_\w+)\(", source))
    assert {name for each, name in NAMED if each == path} <= defined
