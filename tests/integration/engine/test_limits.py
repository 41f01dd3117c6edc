"""Limits by key through the engine's verbs."""

from __future__ import annotations

import pytest

from clearq.engine import Engine
from clearq.engine.calls import Call
from clearq.engine.limits import limit_key
from clearq.errors import QueueNotFound, UsageError
from clearq.models.limit import LimitKey, QueueLimit, Size


def test_keys_are_one_word_each() -> None:
    assert limit_key("customer", "42") == "customer:42"
    assert limit_key("customer") == "customer"
    assert limit_key("customer", "a b\n:ü") == "customer:a%20b%0A:%C3%BC"
    with pytest.raises(UsageError):
        limit_key("a customer")
    long = [limit_key("customer", "x" * 10_000 + end) for end in "ab"]
    assert len(set(long)) == 2
    assert all(len(key) < 300 for key in long)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100/m", Size(100, 60)),
        ("5/10s", Size(5, 10)),
        (" 1 / 2 h ", Size(1, 7200)),
        ("3/d", Size(3, 86400)),
    ],
)
def test_rates(text: str, size: Size) -> None:
    assert Size.rate(text) == size == Size.stored(size.text)
    assert str(size) == text.replace(" ", "")


@pytest.mark.parametrize("text", ["", "100", "m", "100/w", "-1/s", "1.5/s", "1/0s", "0/s", "9999999999/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(UsageError):
        Size.rate(text)


async def test_a_limit_is_set_for_a_queue(engine: Engine) -> None:
    limits = engine.limits
    with pytest.raises(QueueNotFound):
        await limits.set("nowhere", "customer", Size(2))
    await engine.queues.create("mail")
    with pytest.raises(UsageError):
        await limits.set("mail", "a customer", Size(2))
    await limits.set("mail", "customer", Size(2))
    extra = {"limits": limit_key("customer", "42")}
    calls = [Call(f"{number:032x}", "f", b"[]", "mail", extra=extra) for number in range(250)]
    assert await engine.functions.enqueue_many(calls) == ["queued"] * 250
    queue = await engine.queues.get("mail")
    assert (queue.waiting, queue.held) == (2, 248)
    held = await engine.tasks.get(calls[-1].id)
    assert (held.limits, held.held_on) == (("customer:42",), "customer:42")
    assert await limits.key("mail", held.held_on) == LimitKey(key="customer:42", permits=2, taken=2, held=248)
    wanted = QueueLimit(name="customer", permits=2, by_hand=True, keys=1, taken=2, full=1, held=248)
    assert await limits.list("mail") == [wanted]
    await limits.set("mail", "customer", Size(100, period=60))
    assert await limits.set("mail", "customer", None) is None
    for _ in range(10):
        await engine.storage.script("tick", "", "timer")
    assert (await engine.queues.get("mail")).waiting == 250


async def test_declared_sizes_and_those_set_by_hand(engine: Engine) -> None:
    limits = engine.limits
    await engine.queues.create("mail")
    assert await limits.declare("mail", "api", Size.rate("10/s")) == Size(10, 1)
    assert await limits.set("mail", "api", Size(3)) == Size(3)
    assert await limits.declare("mail", "api", Size.rate("20/s")) == Size(3)
    wanted = QueueLimit(name="api", permits=3, by_hand=True, declared="20/s")
    assert await limits.list("mail") == [wanted]
    assert await limits.set("mail", "api", None) == Size(20, 1)
