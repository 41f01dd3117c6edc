"""places: where tasks stand, in one look."""

from __future__ import annotations

from tests.support.bench import HOST, NOW, SUPERVISOR, TASK, WORKER, Bench


async def test_every_place(bench: Bench) -> None:
    fence = await bench.running("runs")
    claimed = await bench.claimed("claimed")
    lost = await bench.lost("lost", holder="s2")
    await bench.queued("waits")
    await bench.queued("function", fn="app.f")
    await bench.queued("later", delay="1000")
    await bench.draft("draft")
    ids = ["runs", "claimed", "lost", "waits", "function", "later", "draft", "nobody"]
    answer = [
        ["in_progress", fence, "default", [f"own:{SUPERVISOR} {fence}"]],
        ["in_progress", claimed, "default", [f"own:{WORKER} {claimed}"]],
        ["in_progress", lost, "default", ["lost"]],
        ["queued", "", "default", ["q:default"]],
        ["queued", "", "default", ["fn:default"]],
        ["queued", "", "default", ["delayed"]],
        ["created", "", "", []],
        ["missing", "", "", []],
    ]
    await bench.refuse("places", len(ids), *ids, answer=answer)


async def test_places_asked_for_are_looked_into_once(bench: Bench) -> None:
    fence = await bench.running()
    await bench.command("HSET", f"own:{WORKER}", TASK, "9.x 1")
    await bench.command("ZADD", "q:default", NOW, TASK)
    looked = ("q:default", f"own:{WORKER}", f"own:{SUPERVISOR}", f"own:{SUPERVISOR}", f"own:{HOST}")
    answer = await bench.call("places", 1, TASK, *looked)
    places = ["q:default", f"own:{WORKER} 9.x", f"own:{SUPERVISOR} {fence}"]
    assert answer == [["in_progress", fence, "default", places]]
