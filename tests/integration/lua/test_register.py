"""register: a worker begins."""

from __future__ import annotations

from tests.support.bench import LATER, NOW, TASK, Bench, event
from tests.support.state import lifetimes

CALL = ("register", LATER, "w1", "lab", "q:default fn:default", "kind", "agent", "host_id", "h")
FIELDS = {"label": "lab", "lanes": "q:default fn:default", "started": str(LATER), "kind": "agent", "host_id": "h"}
SAID = {"events": [event("worker.registered", "", worker="lab")]}
REGISTERED = {"labels": {"lab": "w1"}, "worker:w1": FIELDS, "beats": {"w1": "1"}, "workers": {"w1": LATER}}


async def test_it_may_claim_from_now_on(bench: Bench) -> None:
    await bench.check(*CALL, answer=["registered"], changed=REGISTERED | SAID)
    await bench.check(*CALL, answer=["registered"], changed=SAID)
    assert await bench.call("claim_many", LATER, "w1", "n", 1, 1, "fn", "default", 1) == ["empty"]


async def test_a_label_in_use_is_refused(bench: Bench) -> None:
    await bench.call(*CALL)
    await bench.refuse("register", LATER, "w2", "lab", "", answer=["taken", "w1"])


async def test_the_label_of_a_dead_one_is_free(bench: Bench) -> None:
    await bench.call(*CALL)
    await bench.call("reclaim", LATER, "w1", "", "silent")
    assert await bench.call("register", LATER, "w2", "lab", "q:default") == ["registered"]
    state = await bench.state()
    assert state["labels"] == {"lab": "w2"} and state["beats"] == {"w2": "1"}


async def test_back_under_its_own_id_it_does_not_expire(bench: Bench) -> None:
    await bench.call(*CALL)
    await bench.call("reclaim", LATER, "w1", "", "silent")
    assert set(await lifetimes(bench.storage)) == {"worker:w1"}
    assert await bench.call(*CALL) == ["registered"]
    assert await lifetimes(bench.storage) == {}


async def test_a_label_whose_holder_left_no_beat_is_free(bench: Bench) -> None:
    await bench.command("HSET", "labels", "lab", "long gone")
    await bench.check(*CALL, answer=["registered"], changed=REGISTERED | SAID)
    assert NOW < LATER and TASK not in (await bench.state())
