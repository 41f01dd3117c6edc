"""The names that the package offers: each is there, and is the one that its module means."""

from __future__ import annotations

from importlib import import_module

import pytest

import clearq


@pytest.mark.parametrize("name", [name for name in clearq.__all__ if name != "__version__"])
def test_every_name_is_the_one_of_its_home(name: str) -> None:
    assert getattr(clearq, name) is getattr(import_module(clearq._HOMES[name]), name)


def test_homes_and_names_agree() -> None:
    assert sorted([*clearq._HOMES, "__version__"]) == sorted(clearq.__all__)


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        clearq.Nothing  # noqa: B018
