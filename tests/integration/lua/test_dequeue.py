"""dequeue: take one waiting task out; it becomes a draft again."""

from __future__ import annotations

import pytest

from tests.support.bench import LATER, TASK, Bench, event, status
from tests.support.state import GONE

CALL = ("dequeue", LATER, TASK)
SAID = event("task.dequeued", queue="default", status="created")


async def test_a_waiting_task(bench: Bench) -> None:
    await bench.queued()
    await bench.queued("other")
    await bench.check(
        *CALL,
        answer=["dequeued", "default"],
        changed={
            f"t:{TASK}": status("created") | {"request": GONE},
            "q:default": {TASK: GONE},
            "changed": {TASK: LATER},
            "events": [SAID],
        },
    )
    await bench.refuse(*CALL, answer=["dequeued", "default"])


async def test_a_delayed_task(bench: Bench) -> None:
    await bench.queued(delay="1000")
    await bench.check(
        *CALL,
        answer=["dequeued", "default"],
        changed={
            f"t:{TASK}": status("created") | {"request": GONE, "due": GONE},
            "delayed": GONE,
            "queue:default": {"delayed": "0"},
            "changed": {TASK: LATER},
            "events": [SAID],
        },
    )


async def test_a_draft_is_out_already(bench: Bench) -> None:
    await bench.draft()
    await bench.refuse(*CALL, answer=["dequeued", ""])


@pytest.mark.parametrize("word", ["in_progress", "completed", "failed", "stopped", "published"])
async def test_other_statuses_are_refused(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse(*CALL, answer=["conflict", word])


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse(*CALL, answer=["missing"])
