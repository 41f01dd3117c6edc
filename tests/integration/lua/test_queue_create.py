"""queue_create: make a queue."""

from __future__ import annotations

import pytest

from tests.support.bench import LATER, NOW, Bench, event


async def test_a_queue_is_made(bench: Bench) -> None:
    call = ("queue_create", LATER, "GPU queue", "gpu-queue", '["a","b"]')
    await bench.check(
        *call,
        answer=["created", "gpu-queue"],
        changed={
            "meta": {"slug:gpu-queue": "1"},
            "queues": {"GPU queue": "gpu-queue"},
            "queue:gpu-queue": {"name": "GPU queue", "created": str(LATER), "rev": "1", "tags": '["a","b"]'},
            "events": [event("queue.created", "", queue="gpu-queue")],
        },
    )
    await bench.refuse(*call, answer=["exists", "gpu-queue"])


async def test_the_same_request_again(bench: Bench) -> None:
    call = ("queue_create", NOW, "GPU queue", "gpu", "[]", "request")
    assert await bench.call(*call) == ["created", "gpu"]
    assert 0 < await bench.command("PTTL", "done:request") <= 60_000
    await bench.refuse(*call, answer=["created", "gpu"])


@pytest.mark.parametrize("name", ["GPU queue", "gpu-queue"])
async def test_names_and_ids_do_not_meet(bench: Bench, name: str) -> None:
    await bench.call("queue_create", NOW, "GPU queue", "gpu-queue", "[]")
    await bench.refuse("queue_create", LATER, name, "gpu-queue", "[]", answer=["exists", "gpu-queue"])


async def test_an_id_is_never_used_again(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "x", "x", "[]")
    await bench.call("queue_delete", NOW, "x")
    assert await bench.call("queue_create", NOW, "x", "x", "[]") == ["created", "x-2"]
    assert await bench.call("queue_create", NOW, "X", "x", "[]") == ["created", "x-3"]


async def test_an_id_does_not_hide_another_queues_name(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "y", "y", "[]")
    await bench.call("queue_update", NOW, "y", "x-2", "")
    await bench.call("queue_create", NOW, "x", "x", "[]")
    assert await bench.call("queue_create", NOW, "X", "x", "[]") == ["created", "x-3"]
