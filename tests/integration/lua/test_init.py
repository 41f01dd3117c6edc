"""init: prepare a namespace."""

from __future__ import annotations

from tests.support.bench import LATER, NOW, Bench, event
from tests.support.state import forget


async def test_a_fresh_namespace(bench: Bench) -> None:
    await forget(bench.storage)
    call = ("init", NOW, "1", "default", "default", "Services", "services")
    made = {"created": str(NOW), "rev": "1"}
    await bench.check(
        *call,
        answer=["ok", "1"],
        changed={
            "meta": {"schema": "1", "created": str(NOW), "slug:default": "1", "slug:services": "1"},
            "queues": {"default": "default", "Services": "services"},
            "queue:default": made | {"name": "default"},
            "queue:services": made | {"name": "Services"},
            "events": [event("queue.created", "", at=NOW, queue=id) for id in ("default", "services")],
        },
    )
    await bench.refuse(*call, answer=["ok", "1"])


async def test_a_deleted_built_in_queue_does_not_come_back(bench: Bench) -> None:
    await bench.call("queue_delete", NOW, "services")
    await bench.refuse("init", LATER, "1", "services", "services", answer=["ok", "1"])


async def test_another_layout_is_refused(bench: Bench) -> None:
    await bench.refuse("init", LATER, "2", "default", "default", answer=["schema", "1"])
