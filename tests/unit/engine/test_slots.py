"""The slots of cron rules, on common days and on those when clocks are set."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearq.engine.slots import check_expression, next_slot
from clearq.errors import UsageError

BERLIN, YORK = "Europe/Berlin", "America/New_York"


def slots(expression: str, tz: str, after: str, count: int) -> list[str]:
    """``count`` slots after a local time, as day, time and offset there."""
    moment = datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(tz)).timestamp()
    found = []
    for _ in range(count):
        moment = next_slot(expression, tz, moment)
        found.append(datetime.fromtimestamp(moment, ZoneInfo(tz)).strftime("%d %H:%M %z"))
    return found


def test_common_days() -> None:
    assert slots("*/5 * * * *", "UTC", "2026-01-01T00:01", 2) == ["01 00:05 +0000", "01 00:10 +0000"]
    assert slots("30 9 * * mon", BERLIN, "2026-06-03T00:00", 2) == ["08 09:30 +0200", "15 09:30 +0200"]
    assert slots("0 0 29 2 *", "UTC", "2026-01-01T00:00", 1) == ["29 00:00 +0000"]
    assert next_slot("* * * * * */10", "UTC", 1000.0) == 1010.0


# Clocks go forward: Berlin 2026-03-29 02:00 to 03:00, New York 2026-03-08 02:00 to 03:00.


@pytest.mark.parametrize(
    ("tz", "day", "before", "offset"), [(BERLIN, 29, "+0100", "+0200"), (YORK, 8, "-0500", "-0400")]
)
def test_a_fixed_hour_that_is_left_out_comes_later_by_the_jump(tz: str, day: int, before: str, offset: str) -> None:
    assert slots("30 2 * * *", tz, f"2026-03-{day - 1:02}T00:00", 3) == [
        f"{day - 1:02} 02:30 {before}",
        f"{day:02} 03:30 {offset}",
        f"{day + 1:02} 02:30 {offset}",
    ]


@pytest.mark.parametrize(
    ("tz", "day", "before", "offset"), [(BERLIN, 29, "+0100", "+0200"), (YORK, 8, "-0500", "-0400")]
)
def test_by_real_time_an_hour_that_is_left_out_has_no_slots(tz: str, day: int, before: str, offset: str) -> None:
    assert slots("*/30 * * * *", tz, f"2026-03-{day:02}T01:00", 3) == [
        f"{day:02} 01:30 {before}",
        f"{day:02} 03:00 {offset}",
        f"{day:02} 03:30 {offset}",
    ]


def test_slots_moved_into_the_next_hour_are_not_lost_there() -> None:
    assert slots("10,45 2,4 * * *", BERLIN, "2026-03-29T01:59", 4) == [
        "29 03:10 +0200",
        "29 03:45 +0200",
        "29 04:10 +0200",
        "29 04:45 +0200",
    ]


def test_two_that_meet_are_one() -> None:
    assert slots("30 2,3 * * *", BERLIN, "2026-03-29T00:00", 2) == ["29 03:30 +0200", "30 02:30 +0200"]


# Clocks go back: Berlin 2026-10-25 03:00 to 02:00, New York 2026-11-01 02:00 to 01:00.


@pytest.mark.parametrize(
    ("tz", "after", "hour", "wanted"),
    [
        (BERLIN, "2026-10-24T12:00", 2, ["25 02:30 +0200", "26 02:30 +0100"]),
        (YORK, "2026-10-31T12:00", 1, ["01 01:30 -0400", "02 01:30 -0500"]),
    ],
)
def test_a_fixed_hour_that_comes_twice_counts_the_first_time(tz: str, after: str, hour: int, wanted: list[str]) -> None:
    assert slots(f"30 {hour} * * *", tz, after, 2) == wanted


@pytest.mark.parametrize(
    ("tz", "after", "hour", "first", "then", "day"),
    [
        (BERLIN, "2026-10-25T01:30", 2, "+0200", "+0100", "25"),
        (YORK, "2026-11-01T00:30", 1, "-0400", "-0500", "01"),
    ],
)
def test_by_real_time_each_half_hour_is_a_half_hour(
    tz: str, after: str, hour: int, first: str, then: str, day: str
) -> None:
    assert slots("*/30 * * * *", tz, after, 5) == [
        f"{day} {hour:02}:00 {first}",
        f"{day} {hour:02}:30 {first}",
        f"{day} {hour:02}:00 {then}",
        f"{day} {hour:02}:30 {then}",
        f"{day} {hour + 1:02}:00 {then}",
    ]


def test_half_an_hour_is_set_on_lord_howe() -> None:
    assert slots("*/20 1-3 * * *", "Australia/Lord_Howe", "2026-10-04T01:30", 4) == [
        "04 01:40 +1030",
        "04 02:30 +1100",
        "04 02:40 +1100",
        "04 02:50 +1100",
    ]


@given(
    st.sampled_from(["*/20 * * * *", "30 2 * * *", "15,45 1-3 * * *", "0 */2 * * *", "0 3 1 * *"]),
    st.sampled_from([BERLIN, YORK, "UTC", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.integers(1_700_000_000, 1_900_000_000),
    st.integers(0, 3 * 86_400),
)
def test_no_slot_depends_on_where_one_looks_from(expression: str, tz: str, after: int, later: int) -> None:
    slot = next_slot(expression, tz, after)
    assert slot > after
    between = min(after + later, slot - 1)
    assert next_slot(expression, tz, max(between, after)) == slot


@pytest.mark.parametrize("expression", ["", "x", "* * * *", "61 * * * *", "0 0 30 2 *"])
def test_what_is_refused(expression: str) -> None:
    with pytest.raises(UsageError):
        check_expression(expression, "UTC")


def test_unknown_time_zones_are_refused() -> None:
    with pytest.raises(UsageError, match="Europe/Berlin"):
        check_expression("* * * * *", "Mars/Olympus")


def test_utc_is_plain() -> None:
    assert datetime.fromtimestamp(next_slot("0 12 * * *", "UTC", 0.0), UTC).hour == 12
