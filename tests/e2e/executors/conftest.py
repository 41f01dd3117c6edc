"""Trees of a test that end with it, also when it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from clearq.models import Limits
from tests.e2e.executors.running import Run


@pytest.fixture
async def make_run(tmp_path: Path) -> AsyncIterator[Callable[[Limits | None], Run]]:
    """Makes trees with limits of their own."""
    runs: list[Run] = []

    def make(limits: Limits | None = None) -> Run:
        runs.append(Run(tmp_path, limits))
        return runs[-1]

    yield make
    for run in runs:
        await run.end()


@pytest.fixture
def run(make_run: Callable[[Limits | None], Run]) -> Run:
    """A tree that may take ten seconds to stop."""
    return make_run(None)
