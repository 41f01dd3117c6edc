"""``clearq cron`` from outside."""

from __future__ import annotations

from clearq.engine import Engine
from clearq.engine.calls import End
from clearq.engine.cron import CronRule, Step
from clearq.models import Lane, WorkerInfo
from tests.integration.cli.conftest import Shell


async def test_rules_are_listed_run_and_removed(shell: Shell, engine: Engine) -> None:
    assert (await shell("cron", "ls", "--json")).json == []
    assert "@app.cron" in (await shell("cron", "ls")).err
    now = await engine.now()
    nightly = CronRule(
        "nightly", "app.clean", "30 2 * * *", "Europe/Berlin", "skip", b'["x"]', "jobs", 5, {"keep": "120000"}
    )
    often = CronRule("often", "app.often", "* * * * *", extra={"unique": "one", "unique.mode": "done"})
    for rule in (nightly, often):
        await engine.cron.define(rule, now, now - 120)
    (slot,) = await engine.cron.slots(["often"])
    assert slot is not None
    assert await engine.cron.fire(often, slot, Step(slot, often.next_slot(now))) == "fired"
    first, second = (await shell("cron", "ls", "--json")).json
    assert (first["name"], first["outcome"], first["last"]) == ("often", "queued", slot)
    assert (second["name"], second["tz"], second["missed"], second["queue"], second["last"]) == (
        "nightly", "Europe/Berlin", "skip", "jobs", None,
    )  # fmt: skip
    table = (await shell("cron", "ls")).out
    assert "30 2 * * *" in table and "(in " in table and "queued" in table

    done = await shell("cron", "run", "nightly")
    task = done.out.strip()
    fields = await engine.storage.command("HGETALL", engine.storage.keys("t", task))
    assert (fields["fn"], fields["args"], fields["priority"]) == ("app.clean", '["x"]', "5")
    assert (fields["keep"], fields["cron"]) == ("120000", "nightly")
    assert (await engine.cron.slots(["nightly"])) == [second["next"]], "its slots stay"
    done = await shell("cron", "run", "often")
    assert "unique key" in done.err
    jobs = await engine.queues.resolve("jobs")
    w = await engine.workers.register(
        WorkerInfo(label="w", kind="function", lanes=(Lane(queue=jobs, kind="function"),))
    )
    (given,) = (await engine.functions.turn(w, [(jobs, 9)], 9)).claims
    await engine.functions.turn(w, [(jobs, 9)], 0, [End(given.id, given.fence, "complete", b"1")])
    assert (given.id, given.fn) == (task, "app.clean")

    await shell("cron", "rm", "nightly")
    assert [rule["name"] for rule in (await shell("cron", "ls", "--json")).json] == ["often"]
    for verb in ("rm", "run"):
        done = await shell("cron", verb, "oftn", code=3)
        assert "no cron rule 'oftn'; there are: often" in done.err
