"""mark: set the status of a task that no agent holds."""

from __future__ import annotations

from typing import Any

import pytest

from clearq.models.status import TRANSITIONS, Status
from tests.support.bench import LABEL, LATER, SUPERVISOR, TASK, Bench, ended, event, status
from tests.support.state import GONE


def call(word: str, *, force: str = "") -> tuple[Any, ...]:
    return ("mark", LATER, TASK, word, "why", "more", force)


async def test_a_run_by_hand_ends(bench: Bench) -> None:
    await bench.manual()
    await bench.check(
        *call("completed"),
        answer=["marked", "completed"],
        changed={
            f"t:{TASK}": ended("completed", "why", "more"),
            f"own:{SUPERVISOR}": GONE,
            "beats": GONE,
            "changed": {TASK: LATER},
            "events": [event("task.completed", worker=LABEL, status="completed", reason="why")],
        },
    )
    await bench.refuse(*call("completed"), answer=["marked", "completed"])


async def test_a_waiting_one_may_be_stopped(bench: Bench) -> None:
    await bench.queued()
    await bench.call("wait", TASK, "client")
    await bench.check(
        *call("stopped"),
        answer=["marked", "stopped"],
        changed={
            f"t:{TASK}": status("stopped", "why", "more"),
            "q:default": GONE,
            f"waiters:{TASK}": GONE,
            "bell:client": ["1"],
            "changed": {TASK: LATER},
            "events": [event("task.stopped", queue="default", status="stopped", reason="why")],
        },
    )


@pytest.mark.parametrize("word", ["created", "in_progress", "completed", "failed", "published"])
async def test_a_waiting_one_may_be_nothing_else(bench: Bench, word: str) -> None:
    await bench.queued()
    for force in ("", "1"):
        await bench.refuse(*call(word, force=force), answer=["conflict", "queued"])


async def test_a_draft_may_be_begun_by_hand(bench: Bench) -> None:
    await bench.draft()
    await bench.check(
        *call("in_progress"),
        answer=["marked", "in_progress"],
        changed={
            f"t:{TASK}": status("in_progress", "why", "more") | {"manual": "1"},
            "changed": {TASK: LATER},
            "events": [event("task.in_progress", status="in_progress", reason="why")],
        },
    )
    await bench.check(
        *call("failed"),
        answer=["marked", "failed"],
        changed={
            f"t:{TASK}": ended("failed", "why", "more"),
            "changed": {TASK: LATER},
            "events": [event("task.failed", status="failed", reason="why")],
        },
    )


async def test_what_an_agent_holds_is_refused(bench: Bench) -> None:
    await bench.running()
    for force in ("", "1"):
        await bench.refuse(*call("completed", force=force), answer=["held", LABEL])


@pytest.mark.parametrize("before", ["created", "completed", "failed", "stopped", "closed", "published"])
async def test_the_table_of_changes(bench: Bench, before: str) -> None:
    """Every status that may not follow is refused, and the rest is not."""
    await bench.in_status(before)
    legal = TRANSITIONS[Status(before)] - {Status.QUEUED}
    for word in set(Status) - legal - {Status(before)}:
        await bench.refuse(*call(word), answer=["conflict", before])
    if legal:
        word = sorted(legal)[0]
        assert await bench.call(*call(word)) == ["marked", word]


@pytest.mark.parametrize("before", ["created", "failed", "stopped", "completed"])
async def test_into_a_queue_leads_only_enqueue(bench: Bench, before: str) -> None:
    await bench.in_status(before)
    for force in ("", "1"):
        await bench.refuse(*call("queued", force=force), answer=["conflict", before])


async def test_force_skips_the_table(bench: Bench) -> None:
    await bench.in_status("completed")
    assert await bench.call(*call("failed", force="1")) == ["marked", "failed"]


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse(*call("completed"), answer=["missing"])
