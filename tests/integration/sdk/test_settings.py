"""Wrong settings are told in one sentence."""

from __future__ import annotations

import pytest

from clearq import Task
from clearq.errors import ConfigurationError, StorageDenied, StorageUnavailable
from clearq.settings import Settings
from tests.support.valkey import free_port


def test_a_wrong_setting(sdk: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARQ_HEARTBEAT", "often")
    with pytest.raises(ConfigurationError, match="A CLEARQ_ setting is wrong: heartbeat: Input should be"):
        Task.init("p", "n")


def test_an_attempt_that_is_not_there(sdk: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARQ_ATTEMPT", "/nowhere/attempt.json")
    with pytest.raises(ConfigurationError, match="CLEARQ_ATTEMPT names /nowhere"):
        Task.init("p", "n")


def test_a_server_that_is_not_there(sdk: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARQ_URL", f"redis://127.0.0.1:{free_port()}")
    monkeypatch.setenv("CLEARQ_PATIENCE", "0")
    with pytest.raises(StorageUnavailable):
        Task.get_tasks()


def test_a_wrong_password(sdk: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme, _, rest = sdk.url.get_secret_value().partition("://")
    monkeypatch.setenv("CLEARQ_URL", f"{scheme}://:wrong@{rest.rpartition('@')[2]}")
    with pytest.raises(StorageDenied) as caught:
        Task.get_tasks()
    assert "wrong@" not in str(caught.value)
