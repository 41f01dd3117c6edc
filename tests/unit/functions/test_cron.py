"""Cron rules: slots over the days on which the clock is set."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from clearq import Clearq
from clearq.errors import UsageError
from clearq.functions.cron import CronRule

BERLIN = ZoneInfo("Europe/Berlin")


def slots(expression: str, start: str, count: int, tz: str = "Europe/Berlin") -> list[str]:
    """The next slots in UTC, ``HH:MM``."""
    rule = CronRule("r", "f", expression, tz)
    moment, found = datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp(), []
    for _ in range(count):
        moment = rule.next_slot(moment)
        found.append(datetime.fromtimestamp(moment, UTC).strftime("%d %H:%M"))
    return found


def test_local_time() -> None:
    assert slots("30 2 * * *", "2026-07-01T00:00:00", 2) == ["01 00:30", "02 00:30"]
    assert slots("30 2 * * *", "2026-01-01T00:00:00", 1) == ["01 01:30"]


def test_an_hour_left_out_runs_late() -> None:
    # On 2026-03-29 the clock goes from 02:00 to 03:00 at 01:00 UTC.
    assert slots("30 2 * * *", "2026-03-28T12:00:00", 2) == ["29 01:30", "30 00:30"]


def test_an_hour_that_comes_twice_runs_once() -> None:
    # On 2026-10-25 the clock goes from 03:00 back to 02:00 at 01:00 UTC.
    assert slots("30 2 * * *", "2026-10-24T12:00:00", 2) == ["25 00:30", "26 01:30"]
    assert slots("30 2 * * *", "2026-10-25T00:30:00", 1) == ["26 01:30"]


def test_every_half_hour_is_a_half_hour() -> None:
    assert slots("*/30 * * * *", "2026-10-25T00:00:00", 4) == ["25 00:30", "25 01:00", "25 01:30", "25 02:00"]
    assert slots("*/30 * * * *", "2026-03-29T00:15:00", 3) == ["29 00:30", "29 01:00", "29 01:30"]
    assert slots("*/30 * * * *", "2026-04-04T14:00:00", 3, "Australia/Lord_Howe") == [
        "04 14:30",
        "04 15:00",
        "04 15:30",
    ]


def test_a_slot_is_after_not_at() -> None:
    rule = CronRule("r", "f", "0 * * * *")
    assert rule.next_slot(3600.0) == 7200.0


def test_rules_are_declared_above_tasks() -> None:
    app = Clearq("redis://localhost:1")

    @app.cron("*/5 * * * *", tz="Europe/Berlin", missed="skip")
    @app.cron("0 3 * * *", name="nightly")
    @app.task(queue="mail", priority=2)
    async def report(kind: str = "short") -> None: ...

    assert [(rule.name, rule.queue, rule.priority, rule.args) for rule in app.crons] == [
        ("nightly", "mail", 2, b"[]"),
        (report.name, "mail", 2, b"[]"),
    ]
    assert app.crons[0].function == report.name
    assert len({rule.revision for rule in app.crons}) == 2
    with pytest.raises(UsageError, match="Two cron rules"):
        app.cron("* * * * *", name="nightly")(report)
    with pytest.raises(UsageError, match=r"stands above @app\.task"):
        app.cron("* * * * *")(lambda: None)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("expression", "tz", "missed"),
    [("often", "UTC", "once"), ("* * * *", "UTC", "once"), ("* * * * *", "Mars", "once"), ("* * * * *", "UTC", "x")],
)
def test_wrong_rules_are_refused(expression: str, tz: str, missed: str) -> None:
    app = Clearq("redis://localhost:1")
    task = app.task(name="t")(test_local_time)
    with pytest.raises(UsageError):
        app.cron(expression, tz=tz, missed=missed)(task)  # type: ignore[arg-type]
    assert app.crons == []


def test_a_rule_needs_a_function_without_arguments() -> None:
    app = Clearq("redis://localhost:1")

    @app.task
    async def needy(who: str) -> None: ...

    with pytest.raises(UsageError, match="who"):
        app.cron("* * * * *")(needy)


def test_a_rule_has_the_options_of_its_function() -> None:
    app = Clearq("redis://localhost:1", name="shop")

    @app.cron("* * * * *")
    @app.task(unique="clean up", unique_mode="done")
    async def clean_up() -> None: ...

    assert dict(app.crons[0].extra) == {"app": "shop", "unique": "clean up", "unique.mode": "done"}
