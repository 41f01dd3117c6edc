"""``clearq task dead`` from outside."""

from __future__ import annotations

from clearq.engine import Engine
from clearq.engine.calls import Call, End
from clearq.engine.ids import new_id
from clearq.models import Lane, WorkerInfo
from tests.integration.cli.conftest import Shell


async def fail(engine: Engine, *names: str) -> list[str]:
    """One function of each name that failed for good, in this order."""
    lanes = (Lane(queue="default", kind="function"),)
    holder = await engine.workers.register(WorkerInfo(label="w0", kind="function", lanes=lanes, slots=2))
    ids = []
    for name in names:
        ids.append(new_id())
        await engine.functions.enqueue(Call(ids[-1], name, b"[]"))
        [given] = (await engine.functions.turn(holder, [("default", 1)], 1)).claims
        end = End(given.id, given.fence, "fail", reason=f"{name} broke")
        await engine.functions.turn(holder, [("default", 0)], 0, [end])
    return ids


async def test_those_that_failed_for_good_are_listed_and_run_again(shell: Shell, engine: Engine) -> None:
    assert "no function has failed for good" in (await shell("task", "dead")).err
    ids = await fail(engine, "app.f", "app.g", "app.f")
    assert (await shell("task", "dead", "--quiet")).out.split() == ids[::-1]
    table = (await shell("task", "dead")).out
    assert "app.g broke" in table
    assert "default" in table
    rows = (await shell("task", "dead", "--function", "app.g", "--json")).json
    assert [(row["id"], row["fn"], row["reason"]) for row in rows] == [(ids[1], "app.g", "app.g broke")]
    assert "2 functions" in (await shell("task", "dead", "--function", "app.f", "--requeue")).out
    assert [state.status for state in await engine.functions.states(ids)] == ["queued", "failed", "queued"]
    assert (await shell("task", "dead", "--quiet")).out.split() == [ids[1]]
