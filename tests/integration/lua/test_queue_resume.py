"""queue_resume: serve a queue again."""

from __future__ import annotations

from tests.support.bench import LATER, NOW, WORKER, Bench, event
from tests.support.state import GONE

CALL = ("queue_resume", LATER, "default")
RESUMED = {
    "queue:default": {"paused": GONE, "paused_by": GONE, "paused_why": GONE, "rev": "3"},
    "events": [event("queue.resumed", "", queue="default")],
}


async def test_idle_workers_are_rung_for_what_waits(bench: Bench) -> None:
    for worker in ("w1", "w2"):
        await bench.worker(worker, "fn:default")
    await bench.worker()
    await bench.call("queue_pause", NOW, "default", "ann", "")
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    for worker in ("w1", "w2"):
        await bench.call("claim_many", NOW, worker, "n", 1, 1, "fn", "default", 1)
    await bench.queued()
    await bench.queued("f", fn="app.f")
    rung = {
        "idle:q:default": GONE,
        f"bell:{WORKER}": ["1"],
        "idle:fn:default": {"w2": GONE},
        "bell:w2": ["1"],
    }
    await bench.check(*CALL, answer=["resumed", "default"], changed=RESUMED | rung)


async def test_an_empty_queue_rings_nobody(bench: Bench) -> None:
    await bench.worker()
    await bench.call("queue_pause", NOW, "default", "ann", "")
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    await bench.check(*CALL, answer=["resumed", "default"], changed=RESUMED)
    await bench.refuse(*CALL, answer=["resumed", "default"])


async def test_no_such_queue(bench: Bench) -> None:
    await bench.refuse("queue_resume", LATER, "nowhere", answer=["no_queue"])
