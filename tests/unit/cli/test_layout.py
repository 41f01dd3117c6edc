"""Which columns fit."""

from __future__ import annotations

from clearq.cli.layout import COMFORT, Column, fit

COLUMNS = [
    Column("ID"),
    Column("NAME", shrinks=True),
    Column("STATUS"),
    Column("PROJECT", shrinks=True, drop=2),
    Column("TIME", drop=1),
]
ROW = ["0" * 12, "n" * 50, "completed", "p" * 40, "1m"]


def total(shown: list[tuple[int, int]]) -> int:
    return sum(width for _, width in shown) + 2 * (len(shown) - 1)


def test_without_a_limit_everything_has_its_natural_width() -> None:
    assert fit(COLUMNS, [ROW], None) == [(0, 12), (1, 50), (2, 9), (3, 40), (4, 4)]


def test_wide_columns_shrink_to_fit_exactly() -> None:
    shown = fit(COLUMNS, [ROW], 80)
    assert total(shown) == 80
    assert [index for index, _ in shown] == [0, 1, 2, 3, 4]
    assert abs(dict(shown)[1] - dict(shown)[3]) <= 1


def test_the_column_with_the_highest_drop_goes_first() -> None:
    assert [index for index, _ in fit(COLUMNS, [ROW], 60)] == [0, 1, 2, 4]
    assert [index for index, _ in fit(COLUMNS, [ROW], 44)] == [0, 1, 2]


def test_names_get_narrow_only_when_nothing_is_left_to_drop() -> None:
    shown = dict(fit(COLUMNS, [ROW], 36))
    assert shown[1] < COMFORT
    assert sorted(shown) == [0, 1, 2]


def test_wide_characters_count_twice() -> None:
    assert fit([Column("N")], [["日本語"]], None) == [(0, 6)]
