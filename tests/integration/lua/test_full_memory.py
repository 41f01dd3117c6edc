"""With `maxmemory` reached, new work is refused whole; ends of work, beats and what keeps workers alive pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clearq.errors import StorageFull
from clearq.settings import Settings
from clearq.storage import Storage
from tests.support.bench import HOST, LATER, NAME, NOW, SUPERVISOR, TASK, WORKER, Bench, flat
from tests.support.valkey import ValkeyProcess

QUEUE_END = ("", "", "", "r", "n", "default", "", "")


@pytest.fixture
async def full(server: ValkeyProcess, tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench on a server of its own: ``fill`` makes it full."""
    settings = Settings(url=SecretStr(server.url), namespace="full", home=tmp_path)
    storage = await Storage.connect(settings, server.url)
    yield Bench(storage)
    await storage.close()


async def fill(bench: Bench, limit: int = 1) -> None:
    await bench.storage.command("CONFIG", "SET", "maxmemory", limit)


async def test_new_work_is_refused_whole(full: Bench) -> None:
    await full.draft()
    await full.ended("failed", "failed")
    await full.worker("idle")
    await full.call("snapshot", NOW, "idle", 1, "default")
    rule = ("fn", "f", "args", "[]", "queue", "default", "slug", "default", "expression", "x", "tz", "UTC")
    await full.call("cron_set", NOW, "rule", "r", NOW, NOW, *rule)
    await fill(full)
    new = flat(NAME)
    calls: list[tuple[Any, ...]] = [
        ("create", NOW, "new", "r", *new),
        ("enqueue", NOW, "new", "default", *QUEUE_END, *new),
        ("enqueue", NOW, "new", "default", "", "1000", "", "r", "n", "", "", "", *new),
        ("enqueue", NOW, "new", "elsewhere", "", "", "", "r", "nc", "elsewhere", "", "", *new),
        ("enqueue", NOW, "new", "default", "", "", "", "r", "n", "", "key", "1000", *new),
        ("enqueue", NOW, TASK, "default", "", "", "", "r", "", "", "", ""),
        ("enqueue", NOW, TASK, "default", "", "", "", "r", "", "", "key", "1000"),
        ("enqueue", NOW, "failed", "default", "", "", "", "r", "", "", "", ""),
        ("enqueue_one", NOW, "new", "default", "default", "f", "[]", "", ""),
        ("queue_create", NOW, "elsewhere", "elsewhere", "[]"),
        ("cron_set", NOW, "other", "r", NOW, NOW, *rule),
        ("cron_fire", NOW, "rule", "r", NOW, NOW, LATER, "slot"),
        ("blob_list", NOW, "new", 1000, "task args.n r"),
        ("chunk_put", "task", "args.n", 0, "12345", 10),
        ("tally", LATER, "idle", "n", 9, "end", "fail", "default", "f", 1, "sum", 1),
    ]
    before = await full.state()
    for call in calls:
        with pytest.raises(StorageFull, match="out of memory"):
            await full.call(*call)
        assert await full.state() == before, call


@pytest.mark.parametrize("fair", [False, True])
async def test_ends_and_beats_pass(full: Bench, fair: bool) -> None:
    fences = {}
    if fair:
        await full.command("HSET", "queue:default", "fair", "0")
    for id in ("completes", "fails", "retries", "released", "lost", "stages", "stops"):
        retries = "3" if id == "retries" else "0"
        fences[id] = await full.running(id, f"s-{id}", limits__retries=retries, gpus=(f"gpu-{id}",))
    fences["starts"] = await full.claimed("starts")
    silent = await full.running("silent", "s-silent")
    function = await full.function("function", "wf")
    by_hand = await full.manual("by hand", "s-hand")
    back = await full.lost("back", "s-back")
    await full.queued("claimed")
    await full.queued("due", delay="1")
    await full.call("queue_create", NOW, "other", "other", "[]")
    await full.queued("left", "other")
    await full.queued("waits", fn="app.f")
    await full.queued("waits too", fn="app.f")
    await fill(full)
    calls: list[tuple[tuple[Any, ...], str]] = [
        (("beat", LATER, WORKER, '{"cpu":1.0}', "idle"), "ok"),
        (("beat", LATER, "s-completes", "", "", "completes", fences["completes"]), "ok"),
        (("finish", LATER, "completes", fences["completes"], "completed", "", "", "0"), "completed"),
        (("fail", LATER, "fails", fences["fails"], "exit code 1", "", "1", "0", ""), "failed"),
        (("fail", LATER, "retries", fences["retries"], "exit code 1", "", "1", "0", ""), "queued"),
        (("release", LATER, "released", fences["released"], "", ""), "queued"),
        (("lose", LATER, "lost", fences["lost"], "proof"), "queued"),
        (("start", LATER, "starts", fences["starts"], "s-starts"), "started"),
        (("stage", LATER, "stages", fences["stages"], "preparing"), "ok"),
        (("stop", LATER, "stops", "enough"), "stopping"),
        (("finish", LATER, "stops", fences["stops"], "stopped", "", "", ""), "stopped"),
        (("reclaim", LATER, "s-silent", "", "silent"), "reclaimed"),
        (("rejoin", LATER, "silent", silent, "s-silent"), "ok"),
        (("rejoin", LATER, "back", back, "s-back"), "ok"),
        (("finish", LATER, "function", function, "completed", "", "", ""), "completed"),
        (("mark", LATER, "by hand", "completed", "", "", ""), "marked"),
        (("free_gpus", HOST, "completes", fences["completes"]), "freed"),
        (("wait", "back", "client"), "waiting"),
        (("register", LATER, "new", "new", "q:default"), "registered"),
        (("snapshot", LATER, "new", 10, "default"), "ok"),
        (("claim_task", LATER, "new", "n", "claimed", "0", "default", "1", HOST, "b", "g9"), "claimed"),
        (("claim_many", LATER, "wf", "n", 1, 9, "fn", "default", 1), "claimed"),
        (("claim_many", LATER, "wf", "n2", 1, 10, "fn", "services", 1), "empty"),
        (("strays", "wf"), "0"),
        (("withdraw", LATER, "wf", 0, 1), "0"),
        (("stop", LATER, "waits too", "enough"), "stopped"),
        (("dequeue", LATER, "due"), "dequeued"),
        (("queue_clear", LATER, "other", "1", "r"), "cleared"),
        (("queue_delete", LATER, "other", "r"), "deleted"),
        (("delete", LATER, "fails", "", "r"), "deleted"),
        (("unregister", LATER, SUPERVISOR), "gone"),
    ]
    for call, word in calls:
        assert (await full.call(*call))[0] == word, call
    assert (await full.call("tick", LATER, "timer"))[0] == str(LATER)
    assert by_hand == "1.c-by hand"
    await fill(full, 0)
    state = await full.state()
    assert state["t:completes"]["status"] == "completed"
    assert state["t:retries"]["status"] == "queued"
    assert state["t:left"]["status"] == "created"
    assert state["beats"].keys() >= {"s-starts", "s-silent", "s-back", "new"}


async def test_room_again_and_all_goes_on(full: Bench) -> None:
    await fill(full)
    with pytest.raises(StorageFull):
        await full.queued()
    await fill(full, 0)
    await full.queued()
