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


async def test_one_that_was_to_be_kept_until_now(bench: Bench) -> None:
    fence = await bench.running(keep="60000")
    await bench.call("finish", NOW, TASK, fence, "completed", "", "", "0", "1")
    assert (await bench.state())["kept"] == {TASK: NOW + 60_000}
    await bench.refuse("delete", NOW + 59_999, TASK, "kept", answer=["stays"])
    gone = dict.fromkeys((f"t:{TASK}", "changed", "kept"), GONE)
    said = event("task.deleted", at=NOW + 60_000, queue="default", status="completed")
    await bench.check("delete", NOW + 60_000, TASK, "kept", answer=["deleted"], changed=gone | {"events": [said]})


@pytest.mark.parametrize("status", ["queued", "created", "published"])
async def test_what_is_used_again_stays(bench: Bench, status: str) -> None:
    fence = await bench.running(keep="60000")
    await bench.call("finish", NOW, TASK, fence, "completed", "", "", "0", "1")
    if status == "published":
        await bench.call("mark", NOW, TASK, "published", "", "", "")
    elif status == "created":
        await bench.call("reset", NOW, TASK, "1")
    else:
        await bench.call("enqueue", NOW, TASK, "default", "", "", "", "again", "f", "default", "", "")
    changed = {"kept": GONE}
    await bench.check("delete", NOW + 60_000, TASK, "kept", answer=["stays"], changed=changed)


async def test_a_failed_one_is_kept_for_a_week(bench: Bench) -> None:
    fence = await bench.running(keep="60000")
    await bench.call("fail", NOW, TASK, fence, "exit code 1", "", "1", "0", "")
    assert (await bench.state())["kept"] == {TASK: NOW + 7 * 86_400_000}
    await bench.call("delete", NOW, TASK, "")
    assert "kept" not in await bench.state()
