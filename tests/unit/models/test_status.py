"""The table of legal changes is ClearML's, plus what only the engine may do."""

from __future__ import annotations

import pytest

from clearq.models.status import TRANSITIONS, Status, may_follow

CLEARML = {
    "created": "queued in_progress",
    "queued": "created in_progress stopped",
    "in_progress": "stopped failed created completed",
    "stopped": "closed created failed queued in_progress published publishing completed",
    "closed": "created failed published publishing stopped",
    "failed": "created stopped published queued",
    "completed": "published in_progress created",
    "publishing": "published",
    "published": "",
    "unknown": "",
}


def test_the_ten_statuses_of_clearml() -> None:
    assert {str(status) for status in Status} == set(CLEARML)


@pytest.mark.parametrize("before", list(Status))
def test_the_table_is_that_of_clearml(before: Status) -> None:
    expected = set(CLEARML[before].split())
    if before == Status.IN_PROGRESS:
        expected.add("queued")  # retry, release and reclaim
    assert {str(after) for after in TRANSITIONS[before]} == expected


def test_a_status_may_follow_itself() -> None:
    assert all(may_follow(status, status) for status in Status)
    assert not may_follow(Status.COMPLETED, Status.QUEUED)
