"""From an exception to the end of an attempt."""

from __future__ import annotations

import orjson
import pytest

from clearq.engine.calls import Given
from clearq.errors import PayloadError
from clearq.functions.options import Options
from clearq.functions.signals import Cancel, Fail, Retry, Snooze
from clearq.worker.outcomes import BadCall, TimedOut, ended_by

OPTIONS = Options(retries=2, retry_delay=1.0, retry_jitter=0.5)


def given(failures: int = 0) -> Given:
    return Given("id", "1.x", "f", b"[]", 0.0, failures, 0, b"")


@pytest.mark.parametrize(
    ("error", "failures", "how", "number"),
    [
        (ValueError("no"), 0, "retry", "1000"),
        (ValueError("no"), 1, "retry", "2000"),
        (ValueError("no"), 2, "fail", ""),
        (TimedOut("too long"), 0, "retry", "1000"),
        (Retry(delay=7), 0, "retry", "7000"),
        (Retry(), 1, "retry", "2000"),
        (Retry(delay=7), 2, "fail", ""),
        (Snooze(3), 2, "release", "3000"),
        (Cancel("enough"), 0, "stop", ""),
        (Fail("the key is wrong"), 0, "fail", ""),
        (BadCall("never"), 0, "fail", ""),
        (PayloadError("never"), 0, "fail", ""),
    ],
)
def test_how_an_attempt_ends(error: Exception, failures: int, how: str, number: str) -> None:
    end = ended_by(error, given(failures), OPTIONS, chance=lambda: 0.0)
    assert (end.id, end.fence, end.how, end.number) == ("id", "1.x", how, number)


def test_a_failure_for_good_says_what_it_was_told_or_its_cause() -> None:
    assert ended_by(Fail("the key is wrong"), given(), OPTIONS).reason == "the key is wrong"
    why = Fail()
    why.__cause__ = KeyError("x")
    assert ended_by(why, given(), OPTIONS).reason == "KeyError: 'x'"


def test_the_pause_is_shortened_by_chance() -> None:
    assert ended_by(ValueError(), given(), OPTIONS, chance=lambda: 1.0).number == "500"


def test_the_error_is_kept_with_its_traceback() -> None:
    try:
        raise ValueError("first line\nsecond line \ud800")
    except ValueError as error:
        end = ended_by(error, given(2), OPTIONS)
    assert end.reason == "ValueError: first line"
    kept = orjson.loads(end.payload)
    assert (kept["type"], kept["message"]) == ("ValueError", "first line\nsecond line ?")
    assert "test_the_error_is_kept" in kept["traceback"]
