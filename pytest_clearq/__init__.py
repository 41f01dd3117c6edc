"""Fixtures for tests of functions, found by pytest where clearq is installed: see ``clearq help testing``.

It stands beside the package, and imports neither it nor anything else before a test asks for one of its fixtures:
projects that do not use them pay nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from clearq import Clearq
    from clearq.testing import ManualClock, Simulation


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting that names the app."""
    parser.addini("clearq_app", "module:attribute of the app that the fixture clearq_worker runs")


def pytest_configure(config: pytest.Config) -> None:
    """The asynchronous fixture is made for whichever plugin runs asynchronous tests here."""
    plugins = config.pluginmanager
    fixture: Any
    if plugins.hasplugin("asyncio"):
        import pytest_asyncio

        fixture = pytest_asyncio.fixture(_clearq_worker, name="clearq_worker")
    elif plugins.hasplugin("anyio"):
        fixture = pytest.fixture(_clearq_worker_anyio, name="clearq_worker")
    else:
        fixture = pytest.fixture(_nobody, name="clearq_worker")
    holder = ModuleType("pytest_clearq_worker")  # pytest looks for fixtures in modules
    vars(holder)["clearq_worker"] = fixture
    plugins.register(holder)


@pytest.fixture
def clearq_app(request: pytest.FixtureRequest) -> Clearq:
    """The app under test: the one that the setting ``clearq_app`` names. Define a fixture of that name for another."""
    from clearq.worker.load import load_app

    name = str(request.config.getini("clearq_app") or "")
    if not name:
        pytest.fail(
            'Which app? Write clearq_app = "module:attribute" into [tool.pytest.ini_options], '
            "or define a fixture clearq_app that returns it.",
            pytrace=False,
        )
    app: Clearq = load_app(name)
    return app


@pytest.fixture
def clearq_clock() -> ManualClock:
    """The clock that ``clearq_worker`` goes by: it stands at 2026-01-01T00:00:00Z until a test lets time pass."""
    from clearq.testing import ManualClock

    return ManualClock()


async def _clearq_worker(clearq_app: Clearq, clearq_clock: ManualClock) -> AsyncIterator[Simulation]:
    """The app in memory, with one worker that runs what is due when a test says so."""
    from clearq.testing import simulate

    async with simulate(clearq_app, clock=clearq_clock) as sim:
        yield sim


async def _clearq_worker_anyio(
    clearq_app: Clearq, clearq_clock: ManualClock, anyio_backend: Any
) -> AsyncIterator[Simulation]:
    """The same under anyio; its backend must be asyncio."""
    async for sim in _clearq_worker(clearq_app, clearq_clock):
        yield sim


def _nobody() -> None:
    pytest.fail("clearq_worker needs a plugin that runs async tests: pip install pytest-asyncio (or anyio).")
