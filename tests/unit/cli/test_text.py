"""Names, ages and sizes as people read them."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from clearq.cli.text import age, clean, clean_lines, duration, plural, short_ids, size, sparkline, when


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name", "plain name"),
        ('it\'s "quoted"', 'it\'s "quoted"'),
        ("two\nlines\ttab\r", "two\\nlines\\ttab\\r"),
        ("\x1b[31mred\x1b[0m\x07", "\\x1b[31mred\\x1b[0m\\x07"),
        ("right\u202eleft", "right\\u202eleft"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("🚀 日本語 naïve", "🚀 日本語 naïve"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("\ud800", "\\ud800"),
    ],
)
def test_names_are_shown_on_one_line_without_control_characters(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_long_names_are_cut() -> None:
    assert clean("x" * 10_000, 20) == "x" * 19 + "…"
    assert clean("x" * 20, 20) == "x" * 20


def test_clean_lines_keeps_line_breaks_and_tabs_only() -> None:
    assert clean_lines("a\n\tb\x1b[2J") == "a\n\tb\\x1b[2J"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (-3.0, "0s"),
        (0, "0s"),
        (0.34, "0.3s"),
        (9.96, "10s"),
        (42.4, "42s"),
        (59.9, "1m"),
        (192, "3m 12s"),
        (7500, "2h 05m"),
        (3600, "1h"),
        (356400, "4d 3h"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("passed", "shown"), [(-5, "0s"), (0, "0s"), (59.9, "59s"), (61, "1m"), (7300, "2h"), (200_000, "2d")]
)
def test_age_is_told_in_one_unit(passed: float, shown: str) -> None:
    assert age(1000.0, 1000.0 + passed) == shown


def test_when_tells_local_time_and_distance() -> None:
    zone = timezone(timedelta(hours=2))
    assert when(0.0, 180.0, zone) == "1970-01-01 02:00:00 (3m ago)"
    assert when(180.0, 0.0, zone) == "1970-01-01 02:03:00 (in 3m)"
    assert when(None, 0.0) == "-"


@pytest.mark.parametrize(
    ("count", "shown"), [(None, "-"), (512, "512 B"), (3500, "3.4 KB"), (2**31, "2.0 GB"), (2**51, "2048.0 TB")]
)
def test_size(count: int | None, shown: str) -> None:
    assert size(count) == shown


def test_plural() -> None:
    assert [plural(0, "task"), plural(1, "task"), plural(1200, "task")] == ["0 tasks", "1 task", "1,200 tasks"]


def test_short_ids_tell_all_apart() -> None:
    ids = ["0" * 14 + f"{number:018d}" for number in range(100)]
    short = short_ids([*ids, ids[0]])
    assert len(set(short.values())) == 100
    assert all(whole.startswith(part) for whole, part in short.items())
    assert short_ids(["a" * 32]) == {"a" * 32: "a" * 12}
    assert short_ids([]) == {}


def test_sparkline_keeps_peaks_when_it_thins() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([0.0, 1.0]) == "▁█"
    spike = [0.0] * 500 + [9.0] + [0.0] * 499
    assert len(sparkline(spike, 50)) == 50
    assert sparkline(spike, 50).count("█") == 1
