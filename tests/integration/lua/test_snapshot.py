"""snapshot: what an agent decides by."""

from __future__ import annotations

from clearq.storage.scripts import HEAD_FIELDS
from tests.support.bench import HOST, LATER, NOW, TASK, WORKER, Bench, as_dict, score
from tests.support.state import GONE


async def test_it_parks_the_agent_and_shows_the_heads(bench: Bench) -> None:
    fence = await bench.running("runs", gpus=("g1",))
    await bench.queued(needs__gpus="2", needs__memory="1000")
    await bench.queued("second")
    await bench.queued("third")
    await bench.queued("function", fn="app.f")
    idle = {"idle:q:default": {WORKER: LATER}, "idle:q:services": {WORKER: LATER}, f"idle:host:{HOST}": {WORKER: LATER}}
    call = ("snapshot", LATER, WORKER, 2, "services", "default")
    after = await bench.check(*call, answer=..., changed=idle)
    word, at, held, services, default = await bench.call(*call)
    assert (word, at, as_dict(held)) == ("ok", str(LATER), {"g1": f"runs {fence}"})
    assert services == ["services", services[1], "0", []]
    assert as_dict(services[1]) == after["queue:services"]
    assert (default[0], as_dict(default[1]), default[2]) == ("default", after["queue:default"], "3")
    first, second = default[3]
    head = {name: value for name, value in zip(HEAD_FIELDS, first[1:], strict=True) if value is not None}
    assert first[0] == TASK and second[0] == "second"
    assert head == {name: after[f"t:{TASK}"][name] for name in HEAD_FIELDS if name in after[f"t:{TASK}"]}
    assert head["needs.gpus"] == "2"


async def test_what_comes_later_rings_it(bench: Bench) -> None:
    await bench.worker()
    await bench.call("snapshot", NOW, WORKER, 10, "default")
    await bench.queued()
    state = await bench.state()
    assert state[f"bell:{WORKER}"] == ["1"] and "idle:q:default" not in state


async def test_it_promotes_what_is_due_first(bench: Bench) -> None:
    await bench.worker()
    await bench.queued(delay="1000")
    await bench.check(
        *("snapshot", LATER, WORKER, 10, "default"),
        answer=...,
        changed={
            f"idle:host:{HOST}": {WORKER: LATER},
            "delayed": GONE,
            f"t:{TASK}": {"due": GONE},
            "q:default": {TASK: score()},
            "queue:default": {"delayed": "0", "place": "16"},
            f"bell:{WORKER}": ["1"],
        },
    )


async def test_a_deleted_queue_is_empty(bench: Bench) -> None:
    await bench.worker()
    answer = await bench.call("snapshot", LATER, WORKER, 10, "nowhere")
    assert answer[3:] == [["nowhere", [], "0", []]]


async def test_one_that_was_declared_dead(bench: Bench) -> None:
    await bench.refuse("snapshot", LATER, WORKER, 10, "default", answer=["gone"])
