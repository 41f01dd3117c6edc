"""Cron rules as data, and what is done about slots that were missed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from clearq.engine.cron import CronRule, Missed, Step, checked, plan, task_id
from clearq.errors import UsageError

RULE = CronRule("nightly", "app.f", "0 2 * * *", "Europe/Berlin")


def every(seconds: int) -> Callable[[float], float]:
    return lambda after: (math.floor(after / seconds) + 1) * float(seconds)


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
def test_a_slot_that_has_just_come_runs(missed: Missed) -> None:
    assert plan(missed, 600.0, 600.2, every(60)) == Step(600.0, 660.0)


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
def test_slots_of_the_last_seconds_run_each(missed: Missed) -> None:
    assert plan(missed, 600.0, 610.0, every(1)) == Step(600.0, 601.0)


@pytest.mark.parametrize(
    ("missed", "wanted"),
    [("once", Step(600.0, 900.0)), ("skip", Step(None, 900.0)), ("all", Step(600.0, 660.0))],
)
def test_slots_that_were_missed(missed: Missed, wanted: Step) -> None:
    assert plan(missed, 600.0, 870.0, every(60)) == wanted


@pytest.mark.parametrize("missed", ["once", "skip"])
def test_one_that_has_just_come_is_the_late_run(missed: Missed) -> None:
    assert plan(missed, 600.0, 842.0, every(60)) == Step(840.0, 900.0)


def test_a_revision_for_each_definition() -> None:
    others = [
        replace(RULE, expression="1 2 * * *"),
        replace(RULE, tz="UTC"),
        replace(RULE, missed="all"),
        replace(RULE, args=b"[1]"),
        replace(RULE, extra={"app": "shop"}),
    ]
    assert len({rule.revision for rule in (RULE, *others)}) == 6
    assert replace(RULE).revision == RULE.revision


def test_it_travels_as_json() -> None:
    rule = replace(RULE, args=bytes(range(256)), extra={"app": "shop"})
    assert CronRule.from_plain(rule.plain()) == rule


def test_an_id_for_each_rule_and_slot() -> None:
    assert len({task_id("a", 1.0), task_id("a", 1.001), task_id("b", 1.0)}) == 3
    assert len(task_id("a", 1.0)) == 32


@pytest.mark.parametrize(
    "change", [{"expression": "x"}, {"tz": "nowhere"}, {"missed": "twice"}, {"name": ""}, {"extra": {"after": "x"}}]
)
def test_what_is_refused(change: dict[str, object]) -> None:
    assert checked(RULE) is RULE
    with pytest.raises(UsageError):
        checked(replace(RULE, **change))  # type: ignore[arg-type]
