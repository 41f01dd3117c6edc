"""Cards without a GPU: agents on a fake NVML library. Needs a C compiler, no NVIDIA driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clearq.settings import Settings
from tests.conftest import need
from tests.support.agents import Agents
from tests.support.fake_nvml import FakeNvml, compiler

if TYPE_CHECKING:
    from clearq.engine import Engine


@pytest.fixture
def nvml(tmp_path: Path) -> FakeNvml:
    """Two cards, idle."""
    need(compiler(), "a C compiler")
    return FakeNvml(tmp_path / "nvml", count=2)


@pytest.fixture
def agents(settings: Settings, engine: Engine) -> Iterator[Agents]:
    """Starts agents on the shared server, in this test's namespace and home."""
    agents = Agents(settings, engine)
    yield agents
    agents.close()
