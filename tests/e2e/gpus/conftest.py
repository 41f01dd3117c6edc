"""Functions that need GPUs, on real agents with cards that a fake NVML library shows."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from clearq.settings import Settings
from tests.conftest import need
from tests.support.fake_nvml import FakeNvml, compiler
from tests.support.gpu_functions import write


@pytest.fixture
def nvml(tmp_path: Path) -> FakeNvml:
    """One card, idle."""
    need(compiler(), "a C compiler")
    return FakeNvml(tmp_path / "nvml", count=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the user's module lies."""
    return write(tmp_path / "code")


@pytest.fixture
async def mytasks(folder: Path, settings: Settings) -> AsyncIterator[ModuleType]:
    """The user's module, imported from its folder, on the test's server."""
    from clearq.functions import gpus

    gpus._codes.clear()
    spec = importlib.util.spec_from_file_location("mytasks", folder / "mytasks.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["mytasks"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.app.settings = settings
    yield module
    await module.app.close()
    del sys.modules["mytasks"]
