"""Short and long forms: `scripts/test --all` sets LONG_TESTS."""

from __future__ import annotations

import os

LONG = os.environ.get("LONG_TESTS") == "1"


def examples(short: int, long: int) -> int:
    """How many examples a property test tries."""
    return long if LONG else short
