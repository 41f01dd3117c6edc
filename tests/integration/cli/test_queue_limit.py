"""``clearq queue limit`` and what other commands say of limits."""

from __future__ import annotations

from clearq.cli import exits
from clearq.engine import Engine
from clearq.engine.calls import Call
from clearq.engine.ids import new_id
from tests.integration.cli.conftest import Shell


async def fill(engine: Engine, *keys: str, count: int = 3) -> list[str]:
    """Functions of a queue ``mail``, whose app declares two at a time for each customer; each has all the keys."""
    extra = {"limits": " ".join(keys), "sizes": "customer=2"} if keys else {}
    calls = [Call(new_id(), "send", b"[]", "mail", extra=extra) for _ in range(count)]
    await engine.functions.enqueue_many(calls)
    return [call.id for call in calls]


async def test_a_limit_that_nobody_declares_any_more_is_forgotten(shell: Shell, engine: Engine) -> None:
    ids = await fill(engine, "customer:42", count=3)
    await shell("queue", "limit", "mail", "customer", "--rate", "1/d")
    said = (await shell("queue", "limit", "mail", "customer", "--rm", code=exits.CONFLICT)).err
    assert "in use (permits taken: 2, tasks held: 1)" in " ".join(said.split())
    assert len((await shell("queue", "limit", "mail", "--json")).json) == 2
    for id in ids:
        await engine.tasks.stop(id)
    assert (await shell("queue", "limit", "mail", "customer", "--rm")).out == "limit customer: forgotten\n"
    assert (await shell("queue", "limit", "mail", "--json")).json == []
    said = (await shell("queue", "limit", "mail", "customer", "--rm", code=exits.NOT_FOUND)).err
    assert "has no limit 'customer'" in said
    await fill(engine, "customer:42")  # an app that still declares it
    assert [limit["name"] for limit in (await shell("queue", "limit", "mail", "--json")).json] == ["customer"]


async def test_limits_are_listed_set_and_taken_off(shell: Shell, engine: Engine) -> None:
    ids = await fill(engine, "customer:42", count=5)
    [listed] = (await shell("queue", "limit", "mail", "--json")).json
    assert listed == {
        "name": "customer",
        "permits": 2,
        "period": None,
        "by_hand": False,
        "declared": "2 at once",
        "keys": 1,
        "taken": 2,
        "full": 1,
        "held": 3,
    }
    table = (await shell("queue", "limit", "mail")).out.splitlines()
    assert table[0].split() == ["LIMIT", "SIZE", "SET", "KEYS", "TAKEN", "FULL", "HELD"]
    assert table[1].split() == ["customer", "2", "at", "once", "by", "the", "app", "1", "2", "1", "3"]
    assert (await shell("queue", "limit", "mail", "customer", "--concurrent", "4")).out == (
        "limit customer: 4 at once; 1 held\n"
    )
    assert "by hand (app: 2 at once)" in (await shell("queue", "limit", "mail", "customer")).out
    assert (await shell("queue", "limit", "mail", "customer", "--off")).out == "limit customer: 2 at once; 3 held\n"
    set_ = await shell("queue", "limit", "mail", "customer", "--rate", "100/m")
    assert set_.out == "limit customer: 2 at once and 100/m; 3 held\n"
    assert "functions get it by limit('customer', rate=...)" in set_.err
    assert (await engine.limits.list("mail"))[1].name == "customer.rate"

    queue = (await shell("queue", "show", "mail", "--json")).json
    assert (queue["waiting"], queue["held"], [each["name"] for each in queue["limits"]]) == (
        2,
        3,
        ["customer", "customer.rate"],
    )
    page = (await shell("queue", "show", "mail")).out
    assert "3 (for a permit of a limit, or for other tasks)" in page
    assert "Limits by key" in page
    assert "HELD" in (await shell("queue", "ls")).out
    assert (await shell("task", "why", ids[4])).out.startswith(
        "It waits for a permit of limit 'customer:42': 2 of 2 are taken; 3 tasks wait for one. No function worker"
    )
    await shell("queue", "pause", "mail", "--why", "tests")
    assert "was paused" in (await shell("task", "why", ids[4])).out


async def test_a_task_that_runs_after_another_says_so(shell: Shell, engine: Engine) -> None:
    [first] = await fill(engine, count=1)
    child = Call(new_id(), "send", b"[]", "mail", extra={"after": first})
    await engine.functions.enqueue_many([child])
    assert (await shell("task", "why", child.id)).out == f"It waits for task {first} (send, queued) to end.\n"


async def test_a_rate_that_is_used_up_says_so(shell: Shell, engine: Engine) -> None:
    await engine.queues.create("mail")
    await shell("queue", "limit", "mail", "api", "--rate", "1/d")
    ids = await fill(engine, "api.rate", count=2)
    shown = (await shell("task", "show", ids[1])).out
    assert "It waits for a permit of limit 'api.rate': its 1/d are used up; it is the only one." in shown
    assert (await shell("queue", "limit", "mail", "api.rate", "--off")).out == "limit api: no limit any more\n"


async def test_bad_limits_are_refused_in_a_sentence(shell: Shell, engine: Engine) -> None:
    assert (await shell("queue", "limit", "default")).err.strip() == "queue default has no limits"
    for words, code, says in (
        (("default", "--off"), exits.USAGE, "name the limit"),
        (("default", "api", "--rate", "many"), exits.USAGE, "such as 10/s, 100/m"),
        (("default", "api", "--concurrent", "0"), exits.USAGE, "Pause the queue"),
        (("default", "a b", "--concurrent", "1"), exits.USAGE, "64 letters"),
        (("nowhere", "api", "--concurrent", "1"), exits.NOT_FOUND, "There is no queue 'nowhere'"),
    ):
        assert says in (await shell("queue", "limit", *words, code=code)).err
    assert await engine.limits.list("default") == []
