"""strays: what a holder answers for, when a word of what was given to it may have been lost."""

from __future__ import annotations

from tests.integration.lua.test_enqueue_many import one
from tests.integration.lua.test_turn import call
from tests.support.bench import NOW, WORKER, Bench, score
from tests.support.state import GONE


async def test_all_that_it_has_and_how_many_were_given(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    await bench.call("enqueue_many", NOW, *one("claimed"))
    await bench.call(*call(2, room=2))
    await bench.call("enqueue_many", NOW, *one("given"))
    own = ["claimed", f"1.n {score(1)}", "given", f"1.g1x{NOW} {score(2)}"]
    await bench.check("strays", WORKER, answer=["1", own], changed={f"given:{WORKER}": GONE})
    await bench.refuse("strays", WORKER, answer=["1", own])


async def test_a_holder_with_nothing(bench: Bench) -> None:
    await bench.refuse("strays", "nobody", answer=["0", []])
