"""Cards without a GPU: agents on a fake NVML library. Needs a C compiler, no NVIDIA driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import need
from tests.support.fake_nvml import FakeNvml, compiler


@pytest.fixture
def nvml(tmp_path: Path) -> FakeNvml:
    """Two cards, idle."""
    need(compiler(), "a C compiler")
    return FakeNvml(tmp_path / "nvml", count=2)
