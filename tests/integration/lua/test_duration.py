"""How long slices of 1,000 take (milliseconds by the server's own count): printed with ``-s``, never asserted."""

from __future__ import annotations

from clearq.storage import scripts
from tests.support.bench import LATER, NAME, NOW, TASK, Bench, flat


async def test_slices_of_a_thousand(bench: Bench) -> None:
    for name in ("enqueue", "claim_many", "reclaim", "beat", "queue_clear", "move", "tick"):
        await bench.storage.command("SCRIPT", "LOAD", scripts.load(name).source)
    meta, enqueue = bench.keys.meta, scripts.load("enqueue").sha
    fields = flat(NAME | {"fn": "app.f"})
    words = ("default", "", "", "", "r", "n", "", "", "")
    await bench.storage.commands([("EVALSHA", enqueue, 1, meta, NOW, f"t{i}", *words, *fields) for i in range(1000)])
    await bench.worker(lanes="fn:default")
    claimed = await timed(bench, "claim_many", NOW, "w", "n", 1000, 1, "fn", "default", 1000)
    assert len(claimed) == 1001
    fences = [word for entry in claimed[1:] for word in entry[:2]]
    assert (await timed(bench, "beat", NOW, "w", "", "", *fences))[0] == "ok"
    assert (await timed(bench, "reclaim", LATER, "w", "", "silent"))[0] == "reclaimed"
    while (await timed(bench, "tick", LATER, "timer"))[2] == "1":
        pass
    await bench.queued(at=LATER)
    assert (await timed(bench, "move", LATER, "default", TASK, "to", 500, "r"))[0] == "moved"
    assert (await timed(bench, "queue_clear", LATER, "default", "1"))[0] == "more"


async def timed(bench: Bench, name: str, *arguments: str | int) -> list[object]:
    """Call, and print how long the server was at it."""
    before = await spent(bench)
    answer: list[object] = await bench.call(name, *arguments)
    print(f"{name}: {(await spent(bench) - before) / 1000:.1f} ms")
    return answer


async def spent(bench: Bench) -> int:
    """Microseconds that the server has spent in scripts so far (by all its clients)."""
    stats = await bench.storage.command("INFO", "commandstats")
    return int(stats["cmdstat_evalsha"]["usec"])
