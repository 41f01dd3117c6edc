"""note: fields beside the description of a task that is there."""

from __future__ import annotations

import pytest

from clearq.engine import Engine
from clearq.errors import TaskNotFound
from tests.support.bench import TASK, Bench
from tests.support.state import GONE


async def test_fields_are_set_and_deleted(bench: Bench) -> None:
    await bench.draft()
    call = ("note", TASK, 0, "progress", "50", "archived", "1")
    await bench.check(*call, answer=["noted"], changed={f"t:{TASK}": {"progress": "50", "archived": "1"}})
    await bench.refuse(*call, answer=["noted"])
    await bench.check("note", TASK, 1, "archived", answer=["noted"], changed={f"t:{TASK}": {"archived": GONE}})
    await bench.refuse("note", TASK, 1, "archived", answer=["noted"])


async def test_a_deleted_task_does_not_come_back(bench: Bench) -> None:
    await bench.refuse("note", TASK, 0, "progress", "50", answer=["missing"])


async def test_the_engines_notes(engine: Engine) -> None:
    for call in (
        engine.tasks.set_progress("nobody", 50),
        engine.tasks.set_log_url("nobody", "file:///x"),
        engine.tasks.archive("nobody"),
        engine.tasks.archive("nobody", on=False),
    ):
        with pytest.raises(TaskNotFound):
            await call
    assert await engine.storage.command("EXISTS", engine.storage.keys("t", "nobody")) == 0
