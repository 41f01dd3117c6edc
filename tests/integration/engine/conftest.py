"""Fixtures for tests that drive the engine from a loop of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.settings import Settings
from tests.support.valkey import ValkeyProcess


@pytest.fixture
def settings_for_machine(valkey: ValkeyProcess, tmp_path: Path) -> Settings:
    """Settings whose namespace each run of a state machine replaces by one of its own."""
    return Settings(url=SecretStr(valkey.url), namespace="machine", home=tmp_path / "home")
