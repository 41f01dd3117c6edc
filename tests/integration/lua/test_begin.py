"""begin: a run by hand; the task is its own holder."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import BOOT, HOST, LABEL, LATER, NAME, NOW, SUPERVISOR, TASK, Bench, event, flat, status
from tests.support.state import GONE

CALL = ("begin", LATER, TASK, SUPERVISOR, "n", LABEL, HOST, BOOT, *flat(NAME))


def begun(claims: int = 1, created: int = LATER) -> dict[str, Any]:
    task = NAME | {
        "created": str(created),
        "claims": str(claims),
        "fence": f"{claims}.n",
        "holder": SUPERVISOR,
        "worker": LABEL,
        "host_id": HOST,
        "boot_id": BOOT,
        "stage": "running",
        "started": str(LATER),
        "manual": "1",
    }
    return {
        f"t:{TASK}": task | status("in_progress"),
        "beats": {SUPERVISOR: "1"},
        f"own:{SUPERVISOR}": {TASK: f"{claims}.n -"},
        "changed": {TASK: LATER},
        "events": [event("task.started", worker=LABEL, status="in_progress")],
    }


async def test_the_task_is_made_and_runs(bench: Bench) -> None:
    await bench.check(*CALL, answer=["begun", "1.n"], changed=begun())
    await bench.refuse(*CALL, answer=["begun", "1.n"])


async def test_a_draft_is_used(bench: Bench) -> None:
    await bench.draft(comment="gone")
    expected = begun(created=NOW)
    expected[f"t:{TASK}"] |= {"comment": GONE, "request": GONE}
    await bench.check(*CALL, answer=["begun", "1.n"], changed=expected)


async def test_an_ended_one_begins_anew_without_its_outputs(bench: Bench) -> None:
    fence = await bench.running(limits__retries="0")
    await bench.call("log", TASK, fence, "1", "100", NOW, "stdout", "hello")
    await bench.call("report", NOW, TASK, fence, "1", "100", "loss/train", "1", "0.5", "")
    await bench.command("HSET", f"artifacts:{TASK}", "model", "{}")
    await bench.call("fail", NOW, TASK, fence, "exit code 1", "", "1", "0", "")
    expected = begun(2, NOW)
    gone = ("request", "queue", "enqueued", "priority", "ended", "exit_code", "failures", "last_iteration")
    expected[f"t:{TASK}"] |= dict.fromkeys((*gone, "log.seq", "metrics.seq", "limits.retries"), GONE)
    outputs = (f"log:{TASK}", f"scalars:{TASK}", f"scalar:{TASK}:loss/train", f"artifacts:{TASK}", "dead")
    await bench.check(*CALL, answer=["begun", "2.n"], changed=expected | dict.fromkeys(outputs, GONE))


@pytest.mark.parametrize("word", ["queued", "in_progress", "published"])
async def test_waiting_running_and_published_ones_are_refused(bench: Bench, word: str) -> None:
    await bench.in_status(word)
    await bench.refuse(*CALL, answer=["conflict", word])


async def test_more_fields_than_lua_takes_at_once(bench: Bench) -> None:
    fields = {f"param:General/p{i:05}": str(i) for i in range(5_000)}
    assert await bench.call(*CALL, *flat(fields)) == ["begun", "1.n"]
    assert (await bench.state())[f"t:{TASK}"].items() >= fields.items()
