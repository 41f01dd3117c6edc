"""Fixtures for every test: a clean environment, a real server, settings and an engine on it.

A missing server skips on a laptop and fails in CI (``CI=true``).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from clearq.settings import Settings
from tests.support.valkey import ValkeyProcess, kill_all_of, server_binary

if TYPE_CHECKING:
    from clearq.engine import Engine
    from tests.support.agents import Agents


def need(what: str | None, name: str) -> str:
    """``what`` when it is there; else skip on a laptop, fail in CI."""
    if what:
        return what
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"{name} is missing, and in CI it must be there")
    pytest.skip(f"{name} is missing")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own shell reaches a test."""
    for name in list(os.environ):
        if name.startswith(("CLEARQ_", "CLEARML_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A session's folder with a path short enough for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="clearq-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey(short_folder: Path) -> Iterator[ValkeyProcess]:
    """The session's one server, shared by all tests: stay inside your ``settings.namespace``."""
    server = ValkeyProcess(short_folder / "shared", binary=need(server_binary(), "a Valkey or Redis server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(short_folder: Path) -> Iterator[ValkeyProcess]:
    """A server of this test alone (``appendfsync always``), to be stopped, killed and started again."""
    server = ValkeyProcess(
        short_folder / uuid.uuid4().hex[:8],
        fsync="always",
        binary=need(server_binary(), "a Valkey or Redis server"),
    )
    server.start()
    yield server
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture
def private(short_folder: Path) -> Iterator[Settings]:
    """Settings without a URL, in a home of this test; what still runs there in the end is killed."""
    need(server_binary(), "a Valkey or Redis server")
    settings = Settings(home=short_folder / uuid.uuid4().hex[:8], connect_timeout=2)
    yield settings
    kill_all_of(settings.home)
    shutil.rmtree(settings.home, ignore_errors=True)


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses, so that no test needs to flush."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def settings(valkey: ValkeyProcess, namespace: str, tmp_path: Path) -> Settings:
    """Settings on the shared server, with a namespace and a home of this test's own."""
    return Settings(url=SecretStr(valkey.url), namespace=namespace, home=tmp_path / "home")


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[Engine]:
    """An engine on ``settings``, closed after the test."""
    from clearq.engine import Engine

    engine = await Engine.connect(settings)
    yield engine
    await engine.close()


@pytest.fixture
def agents(settings: Settings, engine: Engine) -> Iterator[Agents]:
    """Starts agents on the shared server, in this test's namespace and home; all their processes end after it."""
    from tests.support.agents import Agents

    agents = Agents(settings, engine)
    yield agents
    agents.close()
