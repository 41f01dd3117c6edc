"""wait: for a task's end without a race."""

from __future__ import annotations

import pytest

from tests.support.bench import TASK, Bench
from tests.support.state import lifetimes


@pytest.mark.parametrize("word", ["created", "queued", "in_progress"])
async def test_the_caller_is_among_the_waiters(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse("wait", TASK, "", answer=["waiting", word])
    await bench.check("wait", TASK, "c1", answer=["waiting", word], changed={f"waiters:{TASK}": {"c1": True}})
    await bench.refuse("wait", TASK, "c1", answer=["waiting", word])
    await bench.check("wait", TASK, "c2", answer=["waiting", word], changed={f"waiters:{TASK}": {"c2": True}})
    assert 86_000_000 < (await lifetimes(bench.storage))[f"waiters:{TASK}"] <= 86_400_000


@pytest.mark.parametrize("word", ["completed", "failed", "stopped", "closed", "published"])
async def test_an_ended_task_answers_at_once(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse("wait", TASK, "c1", answer=["ended", word])


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse("wait", TASK, "c1", answer=["missing"])
