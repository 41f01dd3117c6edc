"""Values of flags."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from clearq.cli import values
from clearq.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0", 0), ("1.5", 1.5), ("30s", 30), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("2D", 172800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert values.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "abc", "10x", "-5", "1h30", "h", "nan", "inf", "1e99", "5 minutes"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="1h30m"):
        values.seconds(text)


@pytest.mark.parametrize(
    ("text", "count"), [("512M", 512 * 2**20), ("16GB", 16 * 2**30), ("1.5GiB", 3 * 2**29), ("7", 7)]
)
def test_sizes(text: str, count: int) -> None:
    assert values.size(text) == count


@pytest.mark.parametrize("text", ["", "G", "-1", "5 apples"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="not a size"):
        values.size(text)


def test_places_count_from_one() -> None:
    assert values.place("1") == 1
    with pytest.raises(ArgumentTypeError, match="from 1"):
        values.place("0")
    with pytest.raises(ArgumentTypeError, match="not a number"):
        values.place("²")


def test_environment_takes_values_and_names() -> None:
    given = ["A=1", "B", "C=x=y", "D="]
    assert values.environment(given, {"B": "two"}) == {"A": "1", "B": "two", "C": "x=y", "D": ""}


@pytest.mark.parametrize(("word", "text"), [("B", "not set here"), ("=x", "NAME=value"), ("A=\0", "NAME=value")])
def test_environment_refuses(word: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        values.environment([word], {})


def test_settings_need_a_section() -> None:
    assert values.setting("Args/lr=0.1") == ("Args/lr", "0.1")
    assert values.setting("General/a/b=c=d") == ("General/a/b", "c=d")
    for word in ("lr=0.1", "Args/lr", "/lr=1", "Args/=1"):
        with pytest.raises(UsageError, match="Section/name=value"):
            values.setting(word)
