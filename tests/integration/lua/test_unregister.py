"""unregister: a worker ends in good order."""

from __future__ import annotations

from tests.support.bench import HOST, LABEL, LATER, NOW, TASK, WORKER, Bench, event
from tests.support.state import GONE, lifetimes

CALL = ("unregister", LATER, WORKER)


async def test_it_leaves_nothing_but_its_card_for_a_day(bench: Bench) -> None:
    await bench.worker(lanes="q:default fn:default")
    await bench.call("claim_many", NOW, WORKER, "n", 1, 1, "q fn", "default", 1)
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    await bench.queued("x")
    gone = ("beats", "workers", "labels", "idle:fn:default", f"idle:host:{HOST}", f"bell:{WORKER}")
    said = {"events": [event("worker.unregistered", "", worker=LABEL)], f"worker:{WORKER}": {"ended": str(LATER)}}
    await bench.check(*CALL, answer=["gone"], changed=dict.fromkeys(gone, GONE) | said)
    left = await lifetimes(bench.storage)
    assert 86_000_000 < left[f"worker:{WORKER}"] <= 86_400_000


async def test_refused_while_it_answers_for_something(bench: Bench) -> None:
    fence = await bench.claimed()
    await bench.refuse(*CALL, answer=["busy", "1"])
    await bench.call("release", NOW, TASK, fence, "", "")
    assert await bench.call(*CALL) == ["gone"]


async def test_it_may_claim_and_beat_no_more(bench: Bench) -> None:
    await bench.worker()
    await bench.queued()
    await bench.call(*CALL)
    await bench.refuse("claim_many", LATER, WORKER, "n", 1, 1, "q", "default", 1, answer=["dead"])
    await bench.refuse("claim_task", LATER, WORKER, "n", TASK, "0", "default", "1", HOST, "b", answer=["dead"])
    await bench.refuse("snapshot", LATER, WORKER, 1, "default", answer=["gone"])
    await bench.refuse("beat", LATER, WORKER, "", "", answer=["gone"])


async def test_a_label_that_another_carries_by_now_stays(bench: Bench) -> None:
    await bench.worker()
    await bench.command("HSET", "labels", LABEL, "other")
    await bench.call(*CALL)
    assert (await bench.state())["labels"] == {LABEL: "other"}


async def test_an_unknown_one_is_gone_already(bench: Bench) -> None:
    await bench.refuse(*CALL, answer=["gone"])
