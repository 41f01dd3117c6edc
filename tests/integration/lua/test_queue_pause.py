"""queue_pause: stop serving a queue."""

from __future__ import annotations

from tests.support.bench import HOST, LATER, NOW, TASK, WORKER, Bench, event

CALL = ("queue_pause", LATER, "default", "ann", "power cut at noon")


async def test_nothing_is_claimed_from_it(bench: Bench) -> None:
    await bench.worker()
    await bench.queued()
    await bench.queued("f", fn="app.f")
    await bench.check(
        *CALL,
        answer=["paused", "default"],
        changed={
            "queue:default": {
                "paused": str(LATER),
                "paused_by": "ann",
                "paused_why": "power cut at noon",
                "rev": "2",
            },
            "events": [event("queue.paused", "", queue="default", reason="power cut at noon")],
        },
    )
    await bench.refuse("claim_task", NOW, WORKER, "n", TASK, "0", "default", "2", HOST, "b", answer=["paused"])
    assert await bench.call("claim_many", NOW, WORKER, "n", 9, 1, "q fn", "default", 9) == ["empty"]
    assert await bench.call("beat", NOW, WORKER, "", "") == ["ok", "0", "0", "0"]


async def test_what_runs_goes_on(bench: Bench) -> None:
    fence = await bench.running()
    await bench.call(*CALL)
    assert await bench.call("finish", LATER, TASK, fence, "completed", "", "", "") == ["completed"]


async def test_a_repeat_says_who_did_it_last(bench: Bench) -> None:
    await bench.call(*CALL)
    changed = {
        "queue:default": {"paused_by": "bob", "paused_why": "", "rev": "3"},
        "events": [event("queue.paused", "", queue="default")],
    }
    await bench.check("queue_pause", LATER, "default", "bob", "", answer=["paused", "default"], changed=changed)


async def test_no_such_queue(bench: Bench) -> None:
    await bench.refuse("queue_pause", LATER, "nowhere", "ann", "", answer=["no_queue"])
