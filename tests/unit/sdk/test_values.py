"""Parameters travel as text and come back as what they were."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import pytest

from clearq.errors import UsageError
from clearq.models import Parameter
from clearq.sdk.values import cast, to_parameter, to_value


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Scalar:
    """As numpy's: a number in an array of no dimensions."""

    ndim = 0

    def item(self) -> float:
        return 2.5


@pytest.mark.parametrize(
    "value",
    [1, -3, 0.1, 1e-9, True, False, "text", "", " a\nb ", [1, "a", None], (1, 2), {"a": [1]}, None, "1", "True", "é🎉"],
)
def test_value_survives(value: object) -> None:
    assert to_value(to_parameter(value)) == value
    assert type(to_value(to_parameter(value))) is type(value)


@pytest.mark.parametrize(
    ("text", "like", "expected"),
    [
        ("0.5", 1.0, 0.5),
        ("2", 1.0, 2.0),
        ("1e3", 5, 1000),
        ("7", 5, 7),
        ("true", False, True),
        ("0", True, False),
        ("No", True, False),
        ("[1, 2]", [0], [1, 2]),
        ("a, b", ["x"], ["a", "b"]),
        ("(1, 2)", (0,), (1, 2)),
        ("{'a': 1}", {"b": 2}, {"a": 1}),
        ("5", "x", "5"),
        ("/tmp/x", Path("/y"), Path("/tmp/x")),
        ("BLUE", Colour.RED, Colour.BLUE),
        ("b", Colour.RED, Colour.BLUE),
    ],
)
def test_stored_text_becomes_the_given_type(text: str, like: object, expected: object) -> None:
    value = to_value(Parameter(value=text, type="str"), like)
    assert value == expected
    assert type(value) is type(expected)


def test_none_takes_the_recorded_type() -> None:
    assert to_value(Parameter(value="3", type="int"), None) == 3
    assert to_value(Parameter(value="", type="NoneType"), None) is None
    assert to_value(Parameter(value="3", type="NoneType"), None) == "3"


def test_unchanged_text_gives_the_very_object() -> None:
    like = [object]
    assert to_value(to_parameter(like), like) is like


@pytest.mark.parametrize(("text", "like"), [("abc", 1.0), ("1.5", 1), ("maybe", True), ("[", {"a": 1})])
def test_wrong_text_is_an_error(text: str, like: object) -> None:
    with pytest.raises(UsageError, match="is not a value of type"):
        to_value(Parameter(value=text), like)


def test_wrong_enum_names_the_members() -> None:
    with pytest.raises(UsageError, match="RED, BLUE"):
        to_value(Parameter(value="green"), Colour.RED)


def test_array_scalar_is_its_number() -> None:
    assert to_parameter(Scalar()) == Parameter(value="2.5", type="float")


def test_unknown_type_stays_text() -> None:
    assert cast("x", "Whatever") == "x"


def test_halves_of_characters_do_not_stop_a_report() -> None:
    assert to_parameter("a\udcff").value == "a?"
