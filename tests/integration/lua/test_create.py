"""create: write a draft."""

from __future__ import annotations

import pytest

from tests.support.bench import LATER, NAME, TASK, Bench, event, flat, status

CALL = ("create", LATER, TASK, "request", *flat(NAME))


async def test_a_draft_is_written(bench: Bench) -> None:
    await bench.check(
        *CALL,
        answer=["created"],
        changed={
            f"t:{TASK}": NAME | status("created") | {"created": str(LATER), "request": "request"},
            "changed": {TASK: LATER},
            "events": [event("task.created", status="created")],
        },
    )
    await bench.refuse(*CALL, answer=["created"])


@pytest.mark.parametrize("word", ["created", "queued", "in_progress", "completed", "published"])
async def test_a_taken_id_is_refused(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse(*CALL, answer=["exists", word])


async def test_more_fields_than_lua_takes_at_once(bench: Bench) -> None:
    fields = {f"param:General/p{i:05}": str(i) for i in range(5_000)}
    assert await bench.call(*CALL, *flat(fields)) == ["created"]
    assert (await bench.state())[f"t:{TASK}"].items() >= fields.items()


async def test_any_text_comes_back_as_it_went(bench: Bench) -> None:
    await bench.call("create", LATER, TASK, "r", "name", "a\x00\n ü \U0001f600", "executor", "venv")
    assert (await bench.state())[f"t:{TASK}"]["name"] == "a\x00\n ü \U0001f600"
