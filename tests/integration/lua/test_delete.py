"""delete: a task and all that Redis holds of it."""

from __future__ import annotations

import pytest

from tests.support.bench import LATER, NOW, TASK, Bench, event
from tests.support.state import GONE


async def test_an_ended_task_and_its_outputs_go(bench: Bench) -> None:
    fence = await bench.running()
    await bench.call("log", TASK, fence, "1", "100", NOW, "stdout", "hello")
    for metric in ("loss/train", "loss/test"):
        await bench.call("report", NOW, TASK, fence, "0", "100", metric, "1", "0.5", "")
    await bench.command("HSET", f"artifacts:{TASK}", "model", "{}")
    await bench.call("chunk_put", TASK, "artifact.n", "0", "12345", "10")
    await bench.call("fail", NOW, TASK, fence, "exit code 1", "", "1", "0", "")
    keys = ("t:{}", "log:{}", "scalars:{}", "scalar:{}:loss/train", "scalar:{}:loss/test", "artifacts:{}")
    keys += ("chunks:{}", "chunk:{}:artifact.n")
    gone = dict.fromkeys([key.format(TASK) for key in keys] + ["changed", "dead"], GONE)
    said = event("task.deleted", queue="default", status="failed")
    await bench.check("delete", LATER, TASK, "", answer=["deleted"], changed=gone | {"events": [said]})
    await bench.refuse("delete", LATER, TASK, "", answer=["missing"])


@pytest.mark.parametrize("delay", ["", "1000"])
async def test_a_waiting_one_only_by_force(bench: Bench, delay: str) -> None:
    await bench.queued(delay=delay)
    await bench.call("wait", TASK, "client")
    await bench.refuse("delete", LATER, TASK, "", answer=["conflict", "queued"])
    gone = dict.fromkeys((f"t:{TASK}", f"waiters:{TASK}", "changed", "delayed" if delay else "q:default"), GONE)
    counted = {"queue:default": {"delayed": "0"}} if delay else {}
    said = event("task.deleted", queue="default", status="queued")
    changed = gone | counted | {"bell:client": ["1"], "events": [said]}
    await bench.check("delete", LATER, TASK, "1", answer=["deleted"], changed=changed)


async def test_a_published_one_only_by_force(bench: Bench) -> None:
    await bench.in_status("published")
    await bench.refuse("delete", LATER, TASK, "", answer=["conflict", "published"])
    assert await bench.call("delete", LATER, TASK, "1") == ["deleted"]


@pytest.mark.parametrize("force", ["", "1"])
async def test_a_running_one_never(bench: Bench, force: str) -> None:
    await bench.running()
    await bench.refuse("delete", LATER, TASK, force, answer=["conflict", "in_progress"])


async def test_a_draft(bench: Bench) -> None:
    await bench.draft()
    gone = dict.fromkeys((f"t:{TASK}", "changed"), GONE)
    said = event("task.deleted", status="created")
    await bench.check("delete", LATER, TASK, "", answer=["deleted"], changed=gone | {"events": [said]})


async def test_the_same_request_again(bench: Bench) -> None:
    await bench.draft()
    assert await bench.call("delete", LATER, TASK, "", "request") == ["deleted"]
    await bench.refuse("delete", LATER, TASK, "", "request", answer=["deleted"])
