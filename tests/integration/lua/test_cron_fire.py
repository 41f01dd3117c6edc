"""cron_fire: one task for one slot, whoever tries."""

from __future__ import annotations

from typing import Any

from tests.integration.lua.test_cron_set import rule
from tests.support.bench import LATER, NOW, TASK, Bench, event, score, status
from tests.support.state import GONE

SLOT, NEXT = LATER - 1000, LATER + 59_000


async def defined(bench: Bench, **changes: str) -> None:
    await bench.call("cron_set", NOW, "nightly", "r1", NOW, SLOT, *rule(**changes))


def fire(
    expected: int = SLOT, slot: int | str = SLOT, following: int = NEXT, *, revision: str = "r1", id: str = TASK
) -> tuple[Any, ...]:
    return ("cron_fire", LATER, "nightly", revision, expected, slot, following, id)


def made(**fields: str) -> dict[str, str]:
    return {
        "fn": "app.f", "args": "[]", "queue": "default", "enqueued": str(LATER), "x": "1", "cron": "nightly",
        "slot": str(SLOT), **fields,
    }  # fmt: skip


QUEUED = [{"at": str(LATER), "name": "queued", "app.f": "1"}]


async def test_a_slot_that_has_come(bench: Bench) -> None:
    await defined(bench)
    await bench.check(
        *fire(),
        answer=["fired", str(NEXT)],
        changed={
            "cron": {"nightly": NEXT},
            "cron:nightly": {"last": str(SLOT)},
            f"t:{TASK}": made(),
            "fn:default": {TASK: score(1)},
            "queue:default": {"place": "16"},
            "events.fn": QUEUED,
        },
    )
    await bench.refuse(*fire(), answer=["moved", str(NEXT)])


async def test_with_all_that_a_task_can_have(bench: Bench) -> None:
    await bench.worker("w", "fn.shop:emails")
    await defined(bench, queue="emails", slug="emails", priority="5", with__app="shop", with__options="{}")
    assert await bench.call(*fire()) == ["fired", str(NEXT)]
    state = await bench.state()
    assert state[f"t:{TASK}"] == made(queue="emails", priority="5", app="shop", options="{}")
    assert state["fn.shop:emails"] == {TASK: score(1, 5)}


async def test_a_task_for_agents_is_made_as_enqueue_makes_it(bench: Bench) -> None:
    given = {"name": "app.f", "executor": "venv", "function.name": "app.f", "needs.gpus": "1", "keep": "90000"}
    await bench.worker("w", "q:default")
    await bench.call("snapshot", NOW, "w", 1, "default")
    await defined(bench, **{f"with.{name}": text for name, text in given.items()})
    entry = {"created": str(LATER), "queue": "default", "enqueued": str(LATER), "cron": "nightly", "slot": str(SLOT)}
    await bench.check(
        *fire(),
        answer=["fired", str(NEXT)],
        changed={
            "cron": {"nightly": NEXT},
            "cron:nightly": {"last": str(SLOT)},
            f"t:{TASK}": given | entry | status("queued"),
            "q:default": {TASK: score(1)},
            "changed": {TASK: LATER},
            "queue:default": {"place": "16"},
            "idle:q:default": GONE,
            "bell:w": ["1"],
            "events": [event("task.queued", queue="default", status="queued")],
        },
    )


async def test_before_its_time_by_the_servers_clock(bench: Bench) -> None:
    await defined(bench)
    await bench.refuse("cron_fire", SLOT - 1, "nightly", "r1", SLOT, SLOT, NEXT, TASK, answer=["early", str(SLOT - 1)])
    await bench.refuse(*fire(slot=LATER + 1), answer=["early", str(LATER)])


async def test_another_slot_stands_there(bench: Bench) -> None:
    await defined(bench)
    await bench.refuse(*fire(SLOT - 60_000), answer=["moved", str(SLOT)])
    await bench.refuse(*fire(following=SLOT), answer=["moved", str(SLOT)])


async def test_the_definition_has_changed(bench: Bench) -> None:
    await defined(bench)
    await bench.refuse(*fire(revision="r0"), answer=["changed"])


async def test_the_rule_has_gone(bench: Bench) -> None:
    await bench.refuse(*fire(), answer=["gone"])
    await defined(bench)
    await bench.command("ZREM", "cron", "nightly")
    await bench.refuse(*fire(), answer=["gone"])


async def test_missed_slots_are_passed_over(bench: Bench) -> None:
    await defined(bench)
    changed = {"cron": {"nightly": NEXT}, "cron:nightly": {"last": str(SLOT)}}
    await bench.check(*fire(slot=""), answer=["skipped", str(NEXT)], changed=changed)


async def test_a_later_slot_is_run_in_their_place(bench: Bench) -> None:
    await defined(bench)
    assert await bench.call(*fire(slot=LATER)) == ["fired", str(NEXT)]
    state = await bench.state()
    assert state[f"t:{TASK}"]["slot"] == state["cron:nightly"]["last"] == str(LATER)


async def test_the_run_before_holds_the_unique_key(bench: Bench) -> None:
    await defined(bench, with__unique="sync", **{"with__unique.mode": "done"})
    await bench.call(*fire(id="first"))
    assert (await bench.state())["unique:sync"] == "first"
    call = ("cron_fire", NEXT, "nightly", "r1", NEXT, NEXT, NEXT + 60_000, "second")
    changed = {"cron": {"nightly": NEXT + 60_000}, "cron:nightly": {"last": str(NEXT)}}
    await bench.check(*call, answer=["skipped", str(NEXT + 60_000)], changed=changed)
    await bench.call("stop", NEXT, "first", "")
    assert "unique:sync" not in await bench.state()


async def test_a_task_of_that_id_is_not_enqueued_twice(bench: Bench) -> None:
    """The rule was removed and defined anew: its slots begin again, what has run does not."""
    await defined(bench)
    await bench.call(*fire())
    await bench.command("DEL", "cron:nightly")
    await bench.command("ZREM", "cron", "nightly")
    await defined(bench)
    changed = {"cron": {"nightly": NEXT}, "cron:nightly": {"last": str(SLOT)}}
    await bench.check(*fire(), answer=["fired", str(NEXT)], changed=changed)


async def test_an_idle_worker_is_rung(bench: Bench) -> None:
    await bench.worker("w", "fn:default")
    await bench.call("turn", NOW, "w", "n", 5, 1, "fn", 0, 0, 1, "default", 5)
    await defined(bench)
    await bench.call(*fire())
    state = await bench.state()
    assert state["bell:w"] == ["1"] and "idle:fn:default" not in state


async def test_a_key_of_a_fair_queue(bench: Bench) -> None:
    await defined(bench, with__fair="k")
    await bench.call(*fire())
    # Nobody is there to be told that the queue takes no keys: the key is passed over.
    assert (await bench.state())["fn:default"] == {TASK: score(1)}
    await bench.call("cron_set", NOW, "other", "r1", NOW, SLOT, *rule(queue="new", slug="new", with__fair="k"))
    assert await bench.call("cron_fire", LATER, "other", "r1", SLOT, SLOT, NEXT, "second") == ["fired", str(NEXT)]
    assert (await bench.state())["fair:new"]["k:k"].startswith("1 fn/0=")
