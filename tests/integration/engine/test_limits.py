"""Limits by key through the engine's verbs."""

from __future__ import annotations

import pytest

from clearq.engine import Engine
from clearq.engine.functions import Call, limit_key
from clearq.errors import QueueNotFound, UsageError


def test_keys_are_one_word_each() -> None:
    assert limit_key("customer", "42") == "customer:42"
    assert limit_key("customer") == "customer"
    assert limit_key("customer", "a b\n:ü") == "customer:a%20b%0A:%C3%BC"
    with pytest.raises(UsageError):
        limit_key("a customer")


async def test_a_limit_is_set_for_a_queue(engine: Engine) -> None:
    with pytest.raises(QueueNotFound):
        await engine.functions.limit("nowhere", "customer", 2)
    await engine.queues.create("mail")
    with pytest.raises(UsageError):
        await engine.functions.limit("mail", "customer", 0)
    await engine.functions.limit("mail", "customer", 2)
    extra = {"limits": limit_key("customer", "42")}
    calls = [Call(f"{number:032x}", "f", b"[]", "mail", extra=extra) for number in range(250)]
    assert await engine.functions.enqueue_many(calls) == ["queued"] * 250
    assert (await engine.queues.get("mail")).waiting == 2
    await engine.functions.limit("mail", "customer", 100, period=60)
    await engine.functions.limit("mail", "customer", None)
    for _ in range(10):
        await engine.storage.script("tick", "", "timer")
    assert (await engine.queues.get("mail")).waiting == 250
