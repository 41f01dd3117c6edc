"""One plain call takes the short way: one script, in one round trip, on a server that has never seen it as well."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from clearq.engine import Engine
from clearq.engine.calls import Call
from clearq.engine.ids import new_id
from clearq.storage.wire import Wire


@pytest.fixture
async def sent(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each script was sent on the thin connection, by the first letters of its digest; `LOAD` for others."""
    await engine.functions.states(["nobody"])  # opens the connection
    await engine.storage.command("SCRIPT", "FLUSH")
    counts: Counter[str] = Counter()
    add = Wire._add

    def counted(self: Wire, awaited: Any, arguments: Any) -> None:
        counts[str(arguments[0])] += 1
        add(self, awaited, arguments)

    monkeypatch.setattr(Wire, "_add", counted)
    return counts


async def enqueue(engine: Engine, queue: str = "default") -> str:
    return await engine.functions.enqueue(Call(new_id(), "f", b"[]", queue))


async def test_a_server_that_does_not_know_the_script_learns_it(engine: Engine, sent: Counter[str]) -> None:
    assert await enqueue(engine) == "queued"
    sent.clear()
    for _ in range(3):
        assert await enqueue(engine) == "queued"
    assert sent == {"EVALSHA": 3}


async def test_a_new_queue_is_made_by_the_long_way_and_the_next_call_goes_the_short_one(
    engine: Engine, sent: Counter[str]
) -> None:
    await enqueue(engine)
    assert await enqueue(engine, "emails") == "queued"
    sent.clear()
    assert await enqueue(engine, "emails") == "queued"
    assert sent == {"EVALSHA": 1}


async def test_a_queue_that_only_the_long_way_knows_is_not_tried_for_ever(engine: Engine, sent: Counter[str]) -> None:
    await engine.queues.create("fair", fair=True)
    await enqueue(engine)
    for _ in range(3):
        assert await enqueue(engine, "fair") == "queued"
    sent.clear()
    assert await enqueue(engine, "fair") == "queued"
    assert sent == {"EVALSHA": 1}
    assert int(await engine.storage.command("ZCARD", engine.storage.keys("fn", "fair"))) == 4
