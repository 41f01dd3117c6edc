"""On a cluster of three nodes every script stays within its namespace's slot: one foreign key would be refused."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.errors import StorageError
from clearq.settings import Settings
from clearq.storage import Storage, scripts
from tests.conftest import need
from tests.support.bench import HOST, LATER, NOW, TASK, WORKER, Bench
from tests.support.valkey import ValkeyProcess, free_port, server_binary


@pytest.fixture
def nodes(short_folder: Path) -> Iterator[list[ValkeyProcess]]:
    """Three nodes that have met and share all slots."""
    binary = need(server_binary(), "a Valkey or Redis server")
    found = []
    for _ in range(3):
        options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
        found.append(ValkeyProcess(short_folder / uuid.uuid4().hex[:8], binary=binary, options=options))
    try:
        for number, node in enumerate(found):
            node.start()
            first, last = 16384 * number // 3, 16384 * (number + 1) // 3 - 1
            assert node.command("CLUSTER", "ADDSLOTSRANGE", first, last) == b"+OK"
            bus = found[0]._options[-1]
            assert node.command("CLUSTER", "MEET", "127.0.0.1", found[0].port, bus) == b"+OK"
        yield found
    finally:
        for node in found:
            node.kill()


async def test_no_script_leaves_its_slot(
    nodes: list[ValkeyProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in nodes:
        while not await healthy(node, tmp_path):
            await asyncio.sleep(0.02)
    slot = int(nodes[0].command("CLUSTER", "KEYSLOT", "{clearq}:meta").removeprefix(b":"))
    owner = nodes[min(slot * 3 // 16384, 2)]
    settings = Settings(url=SecretStr(owner.url), namespace="clearq", home=tmp_path)
    storage = await Storage.connect(settings, owner.url)
    bench, load, called = Bench(storage), scripts.load, set()
    monkeypatch.setattr(scripts, "load", lambda name: called.add(name) or load(name))
    for word in ("completed", "failed", "stopped", "published", "closed", "created"):
        await bench.in_status(word, word)
    fence = await bench.running(limits__retries="1", gpus=("g1",))
    await bench.call("log", TASK, fence, 1, 100, NOW, "stdout", "x")
    await bench.call("report", NOW, TASK, fence, 1, 100, "loss", "1", "0.5", "")
    await bench.call("wait", TASK, "client")
    await bench.call("stop", NOW, TASK, "enough")
    await bench.call("note", TASK, 0, "progress", "5")
    await bench.call("edit", NOW, TASK, "0", fence, "", "0", "comment", "x")
    await bench.call("fail", NOW, TASK, fence, "exit code 1", "", "1", "0", "")
    await bench.call("free_gpus", HOST, TASK, fence)
    lost = await bench.lost("lost", "s2")
    await bench.call("rejoin", NOW, "lost", lost, "s2")
    await bench.call("lose", NOW, "lost", lost, "proof")
    await bench.call("release", NOW, "function", await bench.function("function", "wf"), "", "5")
    await bench.manual("by hand", "s3")
    await bench.call("mark", NOW, "by hand", "completed", "", "", "")
    await bench.call("queue_create", NOW, "q2", "q2", '["a"]')
    await bench.call("queue_update", NOW, "q2", "q3", "")
    await bench.queued("moved", "q3")
    await bench.call("move", NOW, "q3", "moved", "front", "", "r")
    await bench.call("position", "moved")
    await bench.call("places", 1, "moved", "q:q2")
    await bench.call("permits", "q2", "k", 1, "moved", "own:w")
    await bench.call("queue_pause", NOW, "q3", "me", "")
    await bench.call("queue_resume", NOW, "q3")
    await bench.call("dequeue", NOW, "moved")
    await bench.call("queue_clear", NOW, "q3", "1")
    await bench.call("queue_delete", NOW, "q3")
    await bench.call("enqueue", NOW, "keyed", "default", "", "", "", "r", "nc", "", "key", "1000", "name", "n")
    await bench.call("enqueue_many", NOW, "bulk", "default", "default", "f", "[]", "", "", "", 0)
    await bench.call("queue_limit", NOW, "default", "k", 1, "")
    for id in ("l1", "l2"):
        await bench.call("enqueue_many", NOW, id, "default", "default", "f", "[]", "", "", "", 1, "limits", "k:1")
    await bench.call("queue_create", NOW, "turns", "turns", "[]", "", "1")
    await bench.call("queue_fair", NOW, "turns", "", "key", 3)
    await bench.call("enqueue_many", NOW, "fair", "turns", "turns", "f", "[]", "", "", "", 1, "fair", "key")
    await bench.call("wait_many", "client", "bulk")
    await bench.call("cron_set", NOW, "rule", "r", NOW, NOW, "fn", "f", "args", "", "queue", "q4", "slug", "q4")
    await bench.call("cron_fire", NOW, "rule", "r", NOW, NOW, LATER, "slot")
    await bench.call("turn", NOW, WORKER, "n", 5, 1000, "fn", 5, 0, 1, "default", 5)
    await bench.call("enqueue_many", NOW, "gift", "default", "default", "f", "[]", "", "", "", 0)
    await bench.call("enqueue_one", NOW, "plain", "default", "default", "f", "[]", "", "")
    await bench.call("strays", WORKER)
    await bench.call("withdraw", NOW, WORKER, 0, 1)
    await bench.call("snapshot", LATER, WORKER, 10, "default")
    await bench.call("beat", LATER, WORKER, "{}", "")
    await bench.call("tick", LATER, "timer")
    await bench.call("reset", LATER, "completed", "")
    await bench.call("delete", LATER, "failed", "1")
    await bench.call("blob_list", NOW, "new", 0, "bulk args.n r")
    await bench.call("chunk_put", "bulk", "args.n", 0, "12345", 10)
    await bench.call("chunk_get", "bulk", "args.n", 0)
    await bench.call("blob_sweep", LATER, 10, 1000, 1000)
    await bench.call("tally", LATER, WORKER, "n", 9, "end", "fail", "default", "f", 1, "sum", 1)
    await bench.call("unregister", LATER, WORKER)
    await bench.call("reclaim", LATER, "wf", "", "silent")
    assert (await bench.state())["t:completed"]["status"] == "created"
    assert called | {"init"} == set(scripts.names()), "call the new script here, too"
    with pytest.raises(StorageError, match=r"slot|local"):
        await storage.command("EVAL", "return redis.call('GET', 'elsewhere')", 1, storage.keys.meta)
    await storage.close()


async def healthy(node: ValkeyProcess, home: Path) -> bool:
    storage = Storage(Settings(url=SecretStr(node.url), home=home), node.url)
    info = await storage.command("CLUSTER", "INFO")
    await storage.close()
    return "cluster_state:ok" in str(info)
