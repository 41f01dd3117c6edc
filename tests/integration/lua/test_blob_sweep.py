"""blob_sweep: what nothing refers to goes; what is referred to, or is about to be, stays."""

from __future__ import annotations

import pytest

from tests.support.bench import LATER, NOW, TASK, Bench
from tests.support.state import GONE

STAY, AGAIN = 600_000, 300_000
SWEEP = ("blob_sweep", LATER, 10, STAY, AGAIN)


async def stored(bench: Bench, name: str, place: str = "r") -> str:
    """A blob of the task, due to be looked at; its entry."""
    entry = f"{TASK} {name} {place}"
    await bench.call("blob_list", NOW, "new", 0, entry)
    if place == "r":
        await bench.call("chunk_put", TASK, name, "0", "12345", "100")
    return entry


def gone(entry: str) -> dict[str, object]:
    name = entry.split(" ")[1]
    return {"blobs": GONE, f"chunks:{TASK}": GONE, f"chunk:{TASK}:{name}": GONE}


async def test_what_is_not_due_is_not_looked_at(bench: Bench) -> None:
    await bench.call("blob_list", LATER, "new", 1, f"{TASK} args.n1 s")
    await bench.refuse(*SWEEP, answer=["swept", "0"])


@pytest.mark.parametrize("field", ["args", "function.args"])
async def test_arguments_stay_while_the_task_has_them(bench: Bench, field: str) -> None:
    await bench.queued()
    await bench.command("HSET", f"t:{TASK}", field, '\0r1{"name":"args.n1"}')
    used, other = await stored(bench, "args.n1"), await stored(bench, "args.n2")
    changed = {
        "blobs": {used: LATER + STAY, other: GONE},
        f"chunks:{TASK}": {"args.n2": GONE},
        f"chunk:{TASK}:args.n2": GONE,
    }
    await bench.check(*SWEEP, answer=["swept", "2"], changed=changed)
    await bench.refuse(*SWEEP, answer=["swept", "0"])
    await bench.command("HDEL", f"t:{TASK}", field)
    later = ("blob_sweep", LATER + STAY, 10, STAY, AGAIN)
    await bench.check(*later, answer=["swept", "1"], changed=gone(used))


async def test_arguments_of_a_function_that_agents_run_stay_with_its_task(bench: Bench) -> None:
    await bench.draft(function__args='\0r1{"name":"args.n1"}')
    used = await stored(bench, "args.n1")
    await bench.check(*SWEEP, answer=["swept", "1"], changed={"blobs": {used: LATER + STAY}})


async def test_a_result_stays_while_its_attempt_runs_and_when_it_is_the_result(bench: Bench) -> None:
    fence = await bench.function()
    name = f"result.{fence}"
    entry = await stored(bench, name)
    old = await stored(bench, "result.0.earlier", "s")
    changed = {"blobs": {entry: LATER + STAY, old: GONE}, "blobs.dead": {old: LATER + AGAIN}}
    await bench.check(*SWEEP, answer=["swept", "2", old], changed=changed)
    await bench.command("HSET", f"t:{TASK}", "status", "completed", "result", f'{{"name":"{name}"}}')
    await bench.command("PEXPIRE", f"t:{TASK}", 60_000)
    assert await bench.call("blob_sweep", LATER + STAY, 10, STAY, AGAIN) == ["swept", "1", old]
    score = (await bench.state())["blobs"][entry]
    assert 0 < score - (LATER + STAY) <= 61_000, "looked at when the task has expired"


@pytest.mark.parametrize("kind", ["args.n1", "result.1.n", "artifact.n"])
async def test_all_goes_with_the_task(bench: Bench, kind: str) -> None:
    entry = await stored(bench, kind)
    await bench.check(*SWEEP, answer=["swept", "1"], changed=gone(entry))


async def test_an_artifact_stays_with_the_task(bench: Bench) -> None:
    await bench.draft()
    entry = await stored(bench, "artifact.n")
    await bench.check(*SWEEP, answer=["swept", "1"], changed={"blobs": {entry: LATER + STAY}})


async def test_a_file_is_named_again_when_its_deleter_never_came_back(bench: Bench) -> None:
    entry = await stored(bench, "args.n1", "s")
    changed = {"blobs": GONE, "blobs.dead": {entry: LATER + AGAIN}}
    await bench.check(*SWEEP, answer=["swept", "1", entry], changed=changed)
    await bench.refuse(*SWEEP, answer=["swept", "0"])
    later = LATER + AGAIN
    changed = {"blobs.dead": {entry: later + AGAIN}}
    await bench.check("blob_sweep", later, 10, STAY, AGAIN, answer=["swept", "0", entry], changed=changed)
