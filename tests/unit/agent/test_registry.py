"""The names of this host's agents."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearq.agent.registry import Registry
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


def test_a_home_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="CLEARQ_HOME"):
        Registry(Settings(home=tmp_path / "file" / "home")).hold("a")
