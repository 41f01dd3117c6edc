"""permits: one key of a limit, counted in one look."""

from __future__ import annotations

from tests.support.bench import LATER, NOW, SUPERVISOR, TASK, WORKER, Bench

KEYS = "a:1 b"


async def test_everybody_who_has_a_permit_is_counted(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "default", "default", "[]")
    await bench.call("queue_limit", NOW, "default", "a", 4, "")
    await bench.function("runs", limits=KEYS, x="1")
    await bench.lost("lost", limits=KEYS)
    await bench.queued("in lane", limits=KEYS, fn="f")
    await bench.queued("other", limits="a:2", fn="f")
    await bench.queued("fourth", limits=KEYS, fn="f")
    await bench.queued("held", limits=KEYS, fn="f")
    await bench.refuse("permits", "default", "a:1", 0, f"own:{WORKER}", answer=["4", "4", "", 1, 2, 2, 0, 0])
    await bench.refuse("permits", "default", "b", 0, f"own:{WORKER}", answer=["4", "", "", 0, 2, 2, 0, 0])
    await bench.refuse("permits", "elsewhere", "a:1", 0, f"own:{WORKER}", answer=["0", "", "", 0, 0, 0, 0, 0])


async def test_kept_ones_rates_and_unfinished_work(bench: Bench) -> None:
    await bench.call("queue_create", NOW, "default", "default", "[]")
    await bench.call("queue_limit", NOW, "default", "a", 1, "60000")
    await bench.function(limits="a", x="1")
    await bench.queued("keeps", limits="a", fn="f")
    await bench.command("HSET", "t:keeps", "kept", "a c")
    counted = ("permits", "default", "a", 2, "keeps", "gone", f"own:{WORKER}", f"own:{SUPERVISOR}")
    assert await bench.call(*counted) == ["1", "1", "", 1, 0, 0, 1, 1]
    found = ("permits", "default", "a", "", f"own:{WORKER}")
    assert await bench.call(*found) == ["1", "1", "", 1, 0, 0, 1, 1], "it finds them itself, in the same look"
    await bench.command("HSET", "queue:default", "held", "5000")
    assert await bench.call(*found) == ["many"]
    await bench.command("HSET", "queue:default", "held", "1")
    await bench.command("HDEL", "t:keeps", "kept")
    assert await bench.call(*counted) == ["1", "1", "", 1, 0, 0, 0, 1], "claimed, so its permit is the timer's"
    for item in ("limit default a", "resize default a 7"):
        await bench.command("SADD", "todo", item)
        assert (await bench.call(*counted))[2] == "1"
        await bench.command("SREM", "todo", item)
    await bench.command("HSET", "queue:default", "clearing", str(LATER))
    assert (await bench.call(*counted))[2] == "1"
    assert await bench.command("EXISTS", f"t:{TASK}") == 1
