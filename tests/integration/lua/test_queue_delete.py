"""queue_delete: delete a queue that no task names any more."""

from __future__ import annotations

from tests.support.bench import LATER, NOW, TASK, WORKER, Bench, event
from tests.support.state import GONE

CALL = ("queue_delete", LATER, "GPU queue")


async def make(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "GPU queue", "gpu", "[]")


async def test_an_empty_queue_goes(bench: Bench) -> None:
    await make(bench)
    await bench.worker(lanes="q:gpu")
    await bench.call("snapshot", NOW, WORKER, 1, "gpu")
    await bench.storage.command("XADD", bench.keys("series", "queue", "gpu"), "*", "at", "1")
    await bench.command("SADD", "todo", "clear gpu")
    gone = dict.fromkeys(("queue:gpu", "series:queue:gpu", "idle:q:gpu", "todo"), GONE)
    said = {"queues": {"GPU queue": GONE}, "events": [event("queue.deleted", "", queue="gpu")]}
    await bench.check(*CALL, answer=["deleted", "gpu"], changed=gone | said)
    await bench.refuse(*CALL, answer=["no_queue"])


async def test_the_same_request_again_deletes_no_later_namesake(bench: Bench) -> None:
    await make(bench)
    assert await bench.call(*CALL, "request") == ["deleted", "gpu"]
    await make(bench)
    await bench.refuse(*CALL, "request", answer=["deleted", "gpu"])


async def test_refused_while_tasks_name_it(bench: Bench) -> None:
    await make(bench)
    await bench.queued("waits", "GPU queue")
    await bench.queued("function", "GPU queue", fn="app.f")
    await bench.queued("later", "GPU queue", delay="60000")
    await bench.queued(TASK, "GPU queue")
    fence = await bench.running()
    await bench.refuse(*CALL, answer=["not_empty", "gpu", "2", "1", "1"])
    for id in ("waits", "function", "later"):
        await bench.call("dequeue", NOW, id)
    await bench.refuse(*CALL, answer=["not_empty", "gpu", "0", "0", "1"])
    await bench.call("reclaim", NOW, "s", "", "silent")
    await bench.refuse(*CALL, answer=["not_empty", "gpu", "0", "0", "1"])
    await bench.call("lose", NOW, TASK, fence, "proof")
    await bench.refuse(*CALL, answer=["not_empty", "gpu", "1", "0", "0"])
    await bench.call("stop", NOW, TASK, "")
    assert await bench.call(*CALL) == ["deleted", "gpu"]


async def test_no_such_queue(bench: Bench) -> None:
    await bench.refuse("queue_delete", LATER, "nowhere", answer=["no_queue"])
