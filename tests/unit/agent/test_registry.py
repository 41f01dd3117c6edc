"""The names of this host's agents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clearq.agent.registry import AgentFile, Registry
from clearq.errors import ConfigurationError
from clearq.settings import Settings


def test_long_names_that_begin_alike_are_two(tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path))
    one, two = "é" * 5_000 + "1", "é" * 5_000 + "2"
    held = registry.hold(one)
    assert held is not None
    assert registry.alive(one)
    assert not registry.alive(two)
    assert registry.hold(one) is None
    other = registry.hold(two)
    assert other is not None
    held.close()
    other.close()


def test_a_look_at_the_living_leaves_the_lock_of_a_dead_agent_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(Settings(home=tmp_path))
    held = registry.hold("lab1:0")
    assert held is not None
    held.note(AgentFile(label="lab1:0", pid=os.getpid(), started=1))  # a pid that somebody else has by now
    held.close()
    monkeypatch.setattr(registry, "alive", lambda label: pytest.fail(f"{label}: its lock was tried"))
    assert list(registry.living()) == []


def test_a_home_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="CLEARQ_HOME"):
        Registry(Settings(home=tmp_path / "file" / "home")).hold("a")
