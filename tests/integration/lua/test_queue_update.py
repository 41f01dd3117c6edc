"""queue_update: change a queue's name or tags."""

from __future__ import annotations

from tests.support.bench import LATER, NOW, WORKER, Bench, event
from tests.support.state import GONE

SAID = {"events": [event("queue.updated", "", queue="default")]}


async def test_another_name_and_the_same_id(bench: Bench) -> None:
    await bench.worker()
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    renamed = {
        "queues": {"default": GONE, "main": "default"},
        "queue:default": {"name": "main", "rev": "2"},
        "idle:q:default": GONE,
        f"bell:{WORKER}": ["1"],
    }
    await bench.check(
        "queue_update", LATER, "default", "main", "", answer=["updated", "default"], changed=renamed | SAID
    )


async def test_by_its_id_a_repeat_is_harmless(bench: Bench) -> None:
    await bench.call("queue_update", NOW, "default", "main", "")
    again = {"queue:default": {"rev": "3"}}
    await bench.check("queue_update", LATER, "default", "main", "", answer=["updated", "default"], changed=again | SAID)


async def test_other_tags(bench: Bench) -> None:
    tagged = {"queue:default": {"tags": '["a"]', "rev": "2"}}
    await bench.check(
        "queue_update", LATER, "default", "", '["a"]', answer=["updated", "default"], changed=tagged | SAID
    )


async def test_a_name_or_id_of_another_queue_is_refused(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "GPU queue", "gpu", "[]")
    for name in ("GPU queue", "gpu"):
        await bench.refuse("queue_update", LATER, "default", name, "", answer=["exists", "gpu"])


async def test_its_own_id_may_be_its_name_again(bench: Bench) -> None:
    await bench.call("queue_update", NOW, "default", "main", "")
    assert await bench.call("queue_update", NOW, "main", "default", "") == ["updated", "default"]
    assert (await bench.state())["queues"] == {"default": "default", "services": "services"}


async def test_no_such_queue(bench: Bench) -> None:
    await bench.refuse("queue_update", LATER, "nowhere", "x", "", answer=["no_queue"])
