"""Exit codes and endings of tasks."""

from __future__ import annotations

from typing import Any

import pytest

from clearq.cli.follow import ending, exit_code_of
from clearq.models import Status, Task, TaskSpec


def task(status: Status, **fields: Any) -> Task:
    return Task(id="0" * 32, spec=TaskSpec(name="t"), status=status, **fields)


@pytest.mark.parametrize(
    ("status", "exit_code", "code"),
    [
        (Status.COMPLETED, 0, 0),
        (Status.COMPLETED, None, 0),
        (Status.FAILED, 7, 7),
        (Status.FAILED, None, 1),
        (Status.FAILED, 0, 1),
        (Status.FAILED, -9, 137),
        (Status.FAILED, 137, 137),
        (Status.FAILED, 256, 1),
        (Status.STOPPED, 143, 143),
        (Status.STOPPED, None, 130),
    ],
)
def test_the_users_exit_code_is_ours(status: Status, exit_code: int | None, code: int) -> None:
    assert exit_code_of(task(status, exit_code=exit_code)) == code


def test_endings_say_how_and_why() -> None:
    assert ending(task(Status.COMPLETED, started=10.0, ended=13.2, claims=1)) == "completed in 3.2s"
    failed = task(Status.FAILED, started=0.0, ended=61.0, claims=3, exit_code=7, status_reason="exit code 7")
    assert ending(failed) == "failed after 1m 01s (attempt 3): exit code 7"
    assert ending(task(Status.STOPPED)) == "stopped"
