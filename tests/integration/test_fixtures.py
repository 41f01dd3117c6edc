"""The fixtures themselves: what other tests take for granted."""

from __future__ import annotations

import os

from clearq.settings import Settings
from tests.support.valkey import ValkeyProcess


def test_private_server_keeps_acknowledged_writes_over_a_kill(server: ValkeyProcess) -> None:
    assert server.command("SET", "kept", "yes") == b"+OK"
    server.kill()
    server.start()
    assert server.command("STRLEN", "kept") == b":3"


def test_shared_server_answers_and_settings_name_it(valkey: ValkeyProcess, settings: Settings) -> None:
    assert valkey.command("PING") == b"+PONG"
    assert settings.url.get_secret_value() == valkey.url
    assert not settings.embedded


def test_environment_is_clean() -> None:
    assert not [name for name in os.environ if name.startswith(("CLEARQ_", "CLEARML_"))]
