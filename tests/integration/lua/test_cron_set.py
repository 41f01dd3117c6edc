"""cron_set: a rule is defined, unless that of a later start stands there."""

from __future__ import annotations

from typing import Any

from tests.support.bench import LATER, NOW, Bench
from tests.support.state import GONE

SLOT = LATER + 60_000


def rule(**changes: str) -> list[str]:
    fields = {
        "fn": "app.f", "args": "[]", "queue": "default", "slug": "default", "expression": "* * * * *",
        "tz": "UTC", "missed": "once",
    } | {name.replace("__", "."): value for name, value in changes.items()}  # fmt: skip
    return [text for pair in fields.items() for text in pair]


def call(revision: str = "r1", since: int = NOW, slot: int = SLOT, **changes: str) -> tuple[Any, ...]:
    return ("cron_set", LATER, "nightly", revision, since, slot, *rule(**changes))


def stored(revision: str = "r1", since: int = NOW, **changes: str) -> dict[str, str]:
    words = rule(**changes)
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return {"revision": revision, "since": str(since), "defined": str(LATER), **fields}


async def test_a_new_rule(bench: Bench) -> None:
    changed = {"cron": {"nightly": SLOT}, "cron:nightly": stored(with__app="shop")}
    await bench.check(*call(with__app="shop"), answer=["set", str(SLOT)], changed=changed)


async def test_the_same_again_keeps_its_slot_however_old(bench: Bench) -> None:
    await bench.call(*call())
    await bench.refuse(*call(slot=SLOT + 60_000), answer=["kept", str(SLOT)])


async def test_the_same_by_a_later_start_counts_as_later(bench: Bench) -> None:
    await bench.call(*call())
    changed = {"cron:nightly": {"since": str(NOW + 1)}}
    await bench.check(*call(since=NOW + 1), answer=["kept", str(SLOT)], changed=changed)


async def test_a_worker_that_began_earlier_overwrites_nothing(bench: Bench) -> None:
    await bench.call(*call())
    await bench.refuse(*call("r0", NOW - 1, tz="Asia/Tokyo"), answer=["older"])


async def test_a_worker_that_began_later_replaces_the_definition(bench: Bench) -> None:
    await bench.call(*call(priority="5"))
    await bench.check(
        *call("r2", NOW + 1, SLOT + 7, expression="7 * * * *"),
        answer=["set", str(SLOT + 7)],
        changed={
            "cron": {"nightly": SLOT + 7},
            "cron:nightly": stored("r2", NOW + 1, expression="7 * * * *") | {"priority": GONE},
        },
    )


async def test_the_same_slots_with_other_arguments_are_not_passed_over(bench: Bench) -> None:
    await bench.call(*call())
    await bench.check(
        *call("r2", slot=SLOT + 60_000, args="[1]"),
        answer=["set", str(SLOT)],
        changed={"cron:nightly": {"revision": "r2", "args": "[1]"}},
    )


async def test_a_slot_that_has_run_is_not_set_again(bench: Bench) -> None:
    """The server's clock was set back, and the rule was given other slots."""
    await bench.call(*call(slot=LATER))
    await bench.call("cron_fire", LATER, "nightly", "r1", LATER, LATER, SLOT, "id")
    await bench.refuse(*call("r2", slot=LATER, expression="7 * * * *"), answer=["passed", str(LATER)])
    assert await bench.call(*call("r2", slot=LATER + 1, expression="7 * * * *")) == ["set", str(LATER + 1)]
    assert (await bench.state())["cron:nightly"]["last"] == str(LATER)
