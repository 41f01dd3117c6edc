"""Connecting dictionaries, objects, classes and namespaces."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

import pytest

from clearq.errors import UsageError
from clearq.models import Parameter
from clearq.sdk.connect import Attributes, exchange, flat, nested, view


def stored(**values: str) -> dict[str, Parameter]:
    return {f"General/{name.replace('__', '/')}": Parameter(value=value) for name, value in values.items()}


def test_records_what_is_given() -> None:
    recorded = exchange({"lr": 0.1, "net": {"layers": 3, "act": None}}, "General", {}, override=False)
    assert recorded == {
        "General/lr": Parameter(value="0.1", type="float"),
        "General/net/layers": Parameter(value="3", type="int"),
        "General/net/act": Parameter(value="", type="NoneType"),
    }


def test_overrides_in_place_with_the_given_types() -> None:
    inner = {"layers": 3}
    values = {"lr": 0.1, "net": inner, "flag": True}
    exchange(values, "General", stored(lr="1", net__layers="7", flag="false"), override=True)
    assert values == {"lr": 1.0, "net": {"layers": 7}, "flag": False}
    assert isinstance(values["lr"], float)
    assert values["net"] is inner


def test_stored_entries_that_are_missing_are_added() -> None:
    values: dict[str, object] = {"net": {"layers": 3}}
    exchange(
        values,
        "General",
        {"General/net/width": Parameter(value="8", type="int"), "General/a/b": Parameter(value="x")},
        override=True,
    )
    assert values == {"net": {"layers": 3, "width": 8}, "a/b": "x"}


def test_other_sections_do_not_matter() -> None:
    values = {"lr": 0.1}
    exchange(values, "Mine", stored(lr="5"), override=True)
    assert values == {"lr": 0.1}


def test_without_override_stored_values_do_not_matter() -> None:
    values = {"lr": 0.1}
    exchange(values, "General", stored(lr="5"), override=False)
    assert values == {"lr": 0.1}


def test_wrong_value_names_the_parameter() -> None:
    with pytest.raises(UsageError, match=r"General/lr: 'abc' is not a value of type float"):
        exchange({"lr": 0.1}, "General", stored(lr="abc"), override=True)


def test_keys_need_not_be_texts() -> None:
    values = {1: "a", 2: "b"}
    exchange(values, "General", {"General/1": Parameter(value="c")}, override=True)  # type: ignore[arg-type]
    assert values == {1: "c", 2: "b"}


def test_objects_and_classes() -> None:
    class Base:
        depth = 1
        _hidden = 5

        def method(self) -> None: ...

    class Config(Base):
        lr = 0.1

        @property
        def double(self) -> float:
            return self.lr * 2

    assert dict(flat(Attributes(Config))) == {"depth": 1, "lr": 0.1}
    config = Config()
    config.name = "x"  # type: ignore[attr-defined]
    values, section = view(config)
    assert section == "General"
    assert dict(values) == {"depth": 1, "lr": 0.1, "name": "x"}
    exchange(values, section, stored(lr="0.5", name="y"), override=True)
    assert (config.lr, config.name, Config.lr) == (0.5, "y", 0.1)  # type: ignore[attr-defined]


def test_dataclasses_with_slots() -> None:
    @dataclass(slots=True)
    class Config:
        lr: float = 0.1
        layers: list[int] = field(default_factory=lambda: [1])

    config = Config()
    exchange(view(config)[0], "General", stored(lr="2", layers="[3]"), override=True)
    assert config == Config(2.0, [3])


def test_frozen_objects_are_told() -> None:
    @dataclass(frozen=True)
    class Config:
        lr: float = 0.1

    exchange(view(Config())[0], "General", stored(lr="0.1"), override=True)
    with pytest.raises(UsageError, match="does not let 'lr' be set"):
        exchange(view(Config())[0], "General", stored(lr="0.2"), override=True)


def test_namespaces() -> None:
    namespace = argparse.Namespace(lr=0.1, func=print)
    values, section = view(namespace)
    assert section == "Args"
    assert dict(values) == {"lr": 0.1}


@pytest.mark.parametrize("value", [None, 3, "text", [1], print, pytest])
def test_what_cannot_be_connected(value: object) -> None:
    with pytest.raises(UsageError, match="connect\\(\\) takes"):
        view(value)


def test_nested_is_the_reverse_of_flat() -> None:
    values = {"a": {"b": {"c": 1}, "d": {}}, "e": 2}
    assert nested(flat(values)) == values
