"""reset: back to a draft; outputs, counts and times are forgotten."""

from __future__ import annotations

import pytest

from tests.support.bench import LATER, NOW, TASK, Bench, event, status
from tests.support.state import GONE


async def test_an_ended_task_is_a_draft_again(bench: Bench) -> None:
    fence = await bench.running(**{"param:General/lr": "0.1"})
    await bench.call("log", TASK, fence, "1", "100", NOW, "stdout", "hello")
    await bench.call("report", NOW, TASK, fence, "1", "100", "loss/train", "1", "0.5", "")
    await bench.command("HSET", f"artifacts:{TASK}", "model", "{}")
    await bench.call("fail", NOW, TASK, fence, "exit code 1", "", "1", "0", "")
    keys = ("log:{}", "scalars:{}", "scalar:{}:loss/train", "artifacts:{}")
    gone = dict.fromkeys([key.format(TASK) for key in keys] + ["dead"], GONE)
    forgotten = (
        *("request", "queue", "enqueued", "started", "ended", "worker", "host_id", "boot_id", "exit_code"),
        *("failures", "last_iteration", "log.seq", "metrics.seq"),
    )
    after = await bench.check(
        *("reset", LATER, TASK, ""),
        answer=["reset"],
        changed=gone
        | {
            f"t:{TASK}": status("created") | dict.fromkeys(forgotten, GONE) | {"rev": "1"},
            "changed": {TASK: LATER},
            "events": [event("task.reset", queue="default", status="created")],
        },
    )
    left = set(after[f"t:{TASK}"]) - set(status("created"))
    assert left == {"name", "executor", "param:General/lr", "created", "priority", "claims", "fence", "rev"}


@pytest.mark.parametrize(("word", "force"), [("completed", ""), ("stopped", ""), ("closed", ""), ("published", "1")])
async def test_which_statuses_may(bench: Bench, word: str, force: str) -> None:
    await bench.in_status(word)
    if force:
        await bench.refuse("reset", LATER, TASK, "", answer=["conflict", word])
    assert await bench.call("reset", LATER, TASK, force) == ["reset"]
    assert (await bench.state())[f"t:{TASK}"]["status"] == "created"


@pytest.mark.parametrize("force", ["", "1"])
async def test_a_completed_function_has_no_arguments_left(bench: Bench, force: str) -> None:
    await bench.call("finish", NOW, TASK, await bench.function(), "completed", "", "", "")
    await bench.refuse("reset", LATER, TASK, force, answer=["no_args", "completed"])


@pytest.mark.parametrize("delay", ["", "60000"])
async def test_a_waiting_one_only_by_force(bench: Bench, delay: str) -> None:
    await bench.queued(delay=delay)
    await bench.refuse("reset", LATER, TASK, "", answer=["conflict", "queued"])
    forgotten = dict.fromkeys(("request", "queue", "enqueued", "due"), GONE)
    where = {"delayed": GONE, "queue:default": {"delayed": "0"}} if delay else {"q:default": GONE}
    await bench.check(
        *("reset", LATER, TASK, "1"),
        answer=["reset"],
        changed=where
        | {
            f"t:{TASK}": status("created") | forgotten | {"rev": "1"},
            "changed": {TASK: LATER},
            "events": [event("task.reset", queue="default", status="created")],
        },
    )


@pytest.mark.parametrize("force", ["", "1"])
async def test_a_running_one_never(bench: Bench, force: str) -> None:
    await bench.running()
    await bench.refuse("reset", LATER, TASK, force, answer=["conflict", "in_progress"])


async def test_the_fence_of_an_old_attempt_does_not_come_again(bench: Bench) -> None:
    fence = await bench.ended()
    await bench.call("reset", LATER, TASK, "")
    await bench.call("enqueue", LATER, TASK, "default", "", "", "", "again", "", "", "", "")
    assert await bench.claimed() == "2.c-task" != fence


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse("reset", LATER, TASK, "1", answer=["missing"])
