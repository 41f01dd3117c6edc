"""What arq says, in clearq's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from clearq.arq import payload
from clearq.arq.crons import rule_of, zone_name
from clearq.arq.redis import ClearqArqRedis, url_of
from clearq.arq.words import is_a, seconds
from clearq.engine.calls import Given
from clearq.errors import ConfigurationError
from clearq.functions.options import Options
from clearq.functions.signals import Fail
from clearq.settings import Settings
from clearq.worker.outcomes import ended_by

START = datetime(2026, 3, 2, 10, 30, 15, tzinfo=UTC).timestamp()  # a Monday


def _cron(**fields: Any) -> Any:
    empty = dict.fromkeys(("month", "day", "weekday", "hour", "minute", "job_id"))
    return SimpleNamespace(**{"name": "cron:f", "second": 0, **empty, **fields})


@pytest.mark.parametrize(
    ("fields", "expression", "following"),
    [
        ({}, "* * * * * 0", datetime(2026, 3, 2, 10, 31)),
        ({"second": None}, "* * * * * *", datetime(2026, 3, 2, 10, 30, 16)),
        ({"minute": {45, 15}}, "15,45 * * * * 0", datetime(2026, 3, 2, 10, 45)),
        ({"hour": 9, "minute": 0, "weekday": "sun"}, "0 9 * * 0 0", datetime(2026, 3, 8, 9)),
        ({"hour": 9, "minute": 0, "weekday": 1}, "0 9 * * 2 0", datetime(2026, 3, 3, 9)),
        ({"hour": 0, "minute": 0, "day": 1, "month": {1, 7}}, "0 0 1 1,7 * 0", datetime(2026, 7, 1)),
    ],
)
def test_a_cron_job_has_the_slots_that_arq_gives_it(
    fields: dict[str, Any], expression: str, following: datetime
) -> None:
    rule = rule_of(_cron(**fields), "arq:queue", "UTC", Settings())
    assert rule.expression == expression
    assert rule.next_slot(START) == following.replace(tzinfo=UTC).timestamp()
    assert rule.missed == "skip"


def test_a_cron_job_on_day_and_weekday_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="day and weekday"):
        rule_of(_cron(day=1, weekday=1), "arq:queue", "UTC", Settings())


def test_zones_have_names() -> None:
    assert zone_name(UTC) == "UTC"
    assert zone_name(ZoneInfo("Europe/Berlin")) == "Europe/Berlin"
    with pytest.raises(ConfigurationError, match="ZoneInfo"):
        zone_name(timezone(timedelta(hours=1)))


def test_ids_are_kept_or_made() -> None:
    own = "0123456789abcdef" * 2
    assert payload.task_id(own) == own
    assert payload.task_id("mine") == payload.task_id("mine") != payload.task_id("yours")


def test_arguments_are_pickled_only_with_a_key() -> None:
    args = ({"id": "x"}, (1, 2))
    assert payload.decode("f", payload.encode("f", args, {"k": 1}, Settings())) == ({"id": "x"}, ([1, 2],), {"k": 1})
    signed = payload.encode("f", args, {}, Settings(signing_key=SecretStr("secret")))
    assert signed.startswith(b"\x00p1")


def test_redis_settings_become_a_url() -> None:
    given = SimpleNamespace(
        sentinel=False,
        host="redis.example",
        port=6380,
        database=2,
        username="me",
        password="p@ss",
        ssl=True,
        unix_socket_path=None,
    )
    assert url_of(given) == "rediss://me:p%40ss@redis.example:6380/2"
    assert url_of(None) is None


def test_durations() -> None:
    assert seconds(timedelta(minutes=1)) == 60.0
    assert seconds(2) == 2
    assert seconds(None) is None


def test_exceptions_of_arq_are_known_by_name() -> None:
    kind = type("Retry", (RuntimeError,), {"__module__": "arq.worker"})
    assert is_a(kind(), "Retry")
    assert not is_a(type("Retry", (RuntimeError,), {"__module__": "tenacity"})(), "Retry")


async def test_two_defers_are_refused() -> None:
    redis = ClearqArqRedis(url="redis://localhost:1")
    with pytest.raises(RuntimeError, match="not both"):
        await redis.enqueue_job("f", _defer_by=1, _defer_until=datetime.now(UTC))


def test_fail_ends_a_task_that_has_retries_left() -> None:
    given = Given("id", "fence", "f", b"[]", 0.0, 0, 0, b"")
    try:
        raise Fail from ValueError("the cause")
    except Fail as error:
        end = ended_by(error, given, Options(retries=5))
    assert (end.how, end.reason) == ("fail", "ValueError: the cause")
