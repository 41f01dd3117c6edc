"""Real workers with short windows: a heartbeat of 0.3 s, dead after 2 s."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.settings import Settings
from tests.support.functions import Workers
from tests.support.valkey import ValkeyProcess

DEAD_AFTER = 2.0


@pytest.fixture
def settings(valkey: ValkeyProcess, namespace: str, tmp_path: Path) -> Settings:
    return Settings(
        url=SecretStr(valkey.url),
        namespace=namespace,
        home=tmp_path / "home",
        heartbeat=0.3,
        dead_after=DEAD_AFTER,
    )


@pytest.fixture
async def workers(settings: Settings, engine: Engine, tmp_path: Path) -> AsyncIterator[Workers]:
    workers = Workers(settings, engine, tmp_path)
    yield workers
    for worker in workers.started:
        print(worker.text())
    await workers.close()
