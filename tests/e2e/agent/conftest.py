"""Agents on a real server, ended with all their processes after each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from clearq.settings import Settings
from tests.support.agents import Agents

if TYPE_CHECKING:
    from clearq.engine import Engine


@pytest.fixture
def agents(settings: Settings, engine: Engine) -> Iterator[Agents]:
    """Starts agents on the shared server, in this test's namespace and home."""
    agents = Agents(settings, engine)
    yield agents
    agents.close()
