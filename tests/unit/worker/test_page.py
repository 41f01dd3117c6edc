"""The page that parent and child share, and the gate before every start."""

from __future__ import annotations

import os

import pytest

from clearq.errors import UsageError
from clearq.worker.options import WorkerOptions
from clearq.worker.page import Gate, Load, Page, start_window


def test_what_one_side_writes_the_other_reads() -> None:
    ours = Page.make()
    theirs = Page(os.dup(ours.descriptor))
    ours.beat = 12.5
    theirs.write(Load(running=3, ready=2, done=10, failed=1, empty=4, ran=1.5, lagged=0.25))
    assert theirs.beat == 12.5
    assert ours.load == Load(3, 2, 10, 1, 4, 1.5, 0.25)
    ours.close()
    theirs.close()


def test_the_gate_closes_when_the_heartbeat_is_old() -> None:
    page, now = Page.make(), 1000.0
    gate = Gate(page, start_window(15.0), lambda: now)
    assert not gate.open, "before the first heartbeat"
    page.beat = 995.0
    assert gate.open
    now = 1005.0
    assert not gate.open
    page.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"app": "tasks"},
        {"app": ":app"},
        {"app": "a:b", "queues": ("x", "x")},
        {"app": "a:b", "processes": 0},
        {"app": "a:b", "concurrency": 0},
        {"app": "a:b", "grace": -1.0},
    ],
)
def test_options_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        WorkerOptions(**wrong)  # type: ignore[arg-type]
