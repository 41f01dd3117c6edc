"""queue_fair: keys take turns or not, and their weights."""

from __future__ import annotations

from tests.integration.lua.test_enqueue_many import one
from tests.support.bench import LATER, NOW, Bench, event
from tests.support.state import GONE

UPDATED = event("queue.updated", "", queue="q")


async def test_a_queue_turns_fair_and_ordinary(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "q", "q", "[]")
    changed = {"queue:q": {"fair": "0", "rev": "2"}, "fair:q": {"w:gold": "3"}, "events": [UPDATED]}
    await bench.check("queue_fair", LATER, "q", "1", "gold", "3", answer=["set", "q"], changed=changed)
    for again in (("1", "gold", "3"), ("",), ("1",)):
        await bench.call("queue_fair", LATER, "q", *again)
    assert (await bench.state())["fair:q"] == {"w:gold": "3"}
    await bench.check(
        "queue_fair", LATER, "q", "0",
        answer=["set", "q"],
        changed={"queue:q": {"fair": GONE, "place": "0", "rev": "3"}, "fair:q": GONE, "events": [UPDATED]},
    )  # fmt: skip
    await bench.refuse("queue_fair", LATER, "q", "0", answer=["set", "q"])


async def test_it_refuses(bench: Bench) -> None:
    await bench.refuse("queue_fair", LATER, "nowhere", "1", answer=["no_queue"])
    await bench.call("enqueue_many", NOW, *one(queue="q"))
    await bench.refuse("queue_fair", LATER, "q", "1", answer=["not_empty", "q", "1"])
    await bench.refuse("queue_fair", LATER, "q", "", "gold", "3", answer=["not_fair", "q"])


async def test_what_runs_keeps_its_place_through_both(bench: Bench) -> None:
    """Scores from before are met again: they come first."""
    await bench.call("enqueue_many", NOW, *one("a", "q"), *one("b", "q"))
    await bench.worker(lanes="fn:q")
    word, _, claims, _ = await bench.call("turn", NOW, "w", "n1", 2, 1, "fn", 0, 0, 1, "q", 2)
    assert word == "claimed"
    await bench.call("queue_fair", NOW, "q", "1")
    await bench.call("enqueue_many", NOW, *one("c", "q", fair="k"))
    fences = {claim[0]: claim[1] for claim in claims}
    await bench.call("turn", LATER, "w", "n2", 0, 2, "fn", 0, 0, 1, "q", 1, "a", fences["a"], "release", "", "", "")
    assert list((await bench.state())["fn:q"]) == ["a", "c"]
    word, _, claims, _ = await bench.call("turn", NOW, "w", "n3", 2, 3, "fn", 0, 0, 1, "q", 2)
    fences |= {claim[0]: claim[1] for claim in claims}
    await bench.call("queue_fair", NOW, "q", "0")
    await bench.call("enqueue_many", NOW, *one("d", "q"))
    await bench.call("turn", LATER, "w", "n4", 0, 4, "fn", 0, 0, 1, "q", 1, "c", fences["c"], "release", "", "", "")
    await bench.call("turn", LATER, "w", "n5", 0, 5, "fn", 0, 0, 1, "q", 1, "b", fences["b"], "release", "", "", "")
    assert list((await bench.state())["fn:q"]) == ["b", "c", "d"]
