"""free_gpus: cards of an ended attempt were seen clean."""

from __future__ import annotations

from tests.support.bench import HOST, NOW, TASK, WORKER, Bench
from tests.support.state import GONE


async def test_draining_cards_are_free_and_agents_of_the_host_look(bench: Bench) -> None:
    fence = await bench.running(gpus=("g1", "g2"))
    other = await bench.running("other", holder="s2", gpus=("g3",))
    await bench.call("finish", NOW, TASK, fence, "completed", "", "", "")
    await bench.call("snapshot", NOW, WORKER, 1, "default")
    call = ("free_gpus", HOST, TASK, fence)
    freed = {f"gpus:{HOST}": {"g1": GONE, "g2": GONE}, f"idle:host:{HOST}": GONE, f"bell:{WORKER}": ["1"]}
    after = await bench.check(*call, answer=["freed", "2"], changed=freed)
    assert after[f"gpus:{HOST}"] == {"g3": f"other {other}"}
    await bench.refuse(*call, answer=["freed", "0"])


async def test_cards_in_use_and_those_of_others_stay(bench: Bench) -> None:
    fence = await bench.running(gpus=("g1",))
    await bench.refuse("free_gpus", HOST, TASK, fence, answer=["freed", "0"])
    await bench.call("finish", NOW, TASK, fence, "completed", "", "", "")
    for host, id, other in ((HOST, TASK, "2.x"), (HOST, "other", fence), ("elsewhere", TASK, fence)):
        await bench.refuse("free_gpus", host, id, other, answer=["freed", "0"])
