"""How a function's attempt ended: its own words, a stop, a timeout that it could not speak of."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearq.agent.verdicts import outcome_of, read_verdict
from clearq.clock import boottime
from clearq.models import Outcome, Verdict
from clearq.models.verdict import OVERDUE, VERDICT

FAILED = Verdict(how="fail", payload="{}", reason="too bad")


def write(folder: Path, name: str, verdict: Verdict) -> None:
    (folder / name).write_text(verdict.model_dump_json())


def test_a_process_that_said_nothing_has_no_verdict(tmp_path: Path) -> None:
    assert read_verdict(tmp_path, stopped=False) is None
    (tmp_path / VERDICT).write_text("{")
    assert read_verdict(tmp_path, stopped=True) is None


def test_what_was_to_hold_after_a_timeout_holds_only_then(tmp_path: Path) -> None:
    write(tmp_path, OVERDUE, FAILED.model_copy(update={"since": boottime() + 60}))
    assert read_verdict(tmp_path, stopped=False) is None
    write(tmp_path, OVERDUE, FAILED.model_copy(update={"since": boottime() - 1}))
    found = read_verdict(tmp_path, stopped=False)
    assert found is not None
    assert found.reason == "too bad"
    write(tmp_path, VERDICT, Verdict(how="complete", payload="1"))
    assert (found := read_verdict(tmp_path, stopped=False)) is not None
    assert found.how == "complete"


@pytest.mark.parametrize(("how", "ends"), [("complete", "completed"), ("retry", "stopped"), ("release", "stopped")])
def test_a_stop_leaves_only_results(tmp_path: Path, how: str, ends: str) -> None:
    write(tmp_path, VERDICT, FAILED.model_copy(update={"how": how}))
    found = read_verdict(tmp_path, stopped=True)
    assert found is not None
    assert outcome_of(found, Outcome(status="failed", exit_code=1)).status == ends


def test_bytes_travel_as_they_are() -> None:
    data = bytes(range(256))
    verdict = Verdict(how="complete", payload=data.decode("latin-1"))
    assert Verdict.model_validate_json(verdict.model_dump_json()).data == data
