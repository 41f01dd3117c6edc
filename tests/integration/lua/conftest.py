"""A bench for each test: a namespace of its own on the shared server, forgotten afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from clearq.settings import Settings
from clearq.storage import Storage
from tests.support.bench import Bench
from tests.support.state import forget


@pytest.fixture
async def bench(settings: Settings) -> AsyncIterator[Bench]:
    storage = await Storage.connect(settings, settings.url.get_secret_value())
    yield Bench(storage)
    await forget(storage)
    await storage.close()
