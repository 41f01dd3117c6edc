"""The SDK in this very process, on the test's own namespace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clearq.sdk.connection import disconnect
from clearq.sdk.current import current
from clearq.settings import Settings


@pytest.fixture
def sdk(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    """``Task`` speaks to the test's server; what the test left open is closed."""
    monkeypatch.setenv("CLEARQ_URL", settings.url.get_secret_value())
    monkeypatch.setenv("CLEARQ_NAMESPACE", settings.namespace)
    monkeypatch.setenv("CLEARQ_HOME", str(settings.home))
    monkeypatch.setenv("CLEARQ_ARTIFACTS_URL", str(tmp_path / "store"))
    yield settings
    task = current()
    if task is not None:
        task.close()  # type: ignore[attr-defined]
    disconnect()
