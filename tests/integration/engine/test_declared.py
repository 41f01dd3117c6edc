"""Which live workers of a lane declare which functions."""

from __future__ import annotations

from clearq.engine import Engine
from clearq.engine.declared import KEPT, Speaker
from clearq.models import Lane, WorkerInfo

NAMES = [f"jobs.function_{number}" for number in range(1000)]


async def register(engine: Engine, label: str, declares: str, app: str = "") -> str:
    lanes = (Lane(queue="default", kind=f"function.{app}" if app else "function"),)
    return await engine.workers.register(WorkerInfo(label=label, kind="function", lanes=lanes, declares=declares))


async def test_each_says_what_its_app_declares(engine: Engine) -> None:
    shop, mail = await engine.declared.say(NAMES), await engine.declared.say(["post"])
    assert await engine.declared.say(reversed(NAMES)) == shop, "an app's workers share one list"
    for number in range(3):
        await register(engine, f"shop{number}", shop)
    await register(engine, "mail", mail)
    await register(engine, "old", "")
    await register(engine, "named", mail, "mail")
    present = await engine.declared.present()
    assert present.count == 6
    everything = frozenset(NAMES)
    assert {(each.label, each.functions) for each in present.of("fn:default")} == {
        *((f"shop{number}", everything) for number in range(3)),
        ("mail", frozenset({"post"})),
        ("old", None),
    }
    assert present.of("fn.mail:default") == [Speaker("named", frozenset({"post"}))]
    assert present.of("fn:other") == []


async def test_the_dead_do_not_count(engine: Engine) -> None:
    digest = await engine.declared.say(["post"])
    gone, silent = await register(engine, "gone", digest), await register(engine, "silent", digest)
    await engine.workers.unregister(gone)
    await engine.storage.command("ZADD", engine.storage.keys("workers"), 1, silent)
    assert (await engine.declared.present()).of("fn:default") == []


async def test_a_list_is_kept_as_long_as_it_is_said_again(engine: Engine) -> None:
    key = engine.storage.keys("declared", await engine.declared.say(["post"]))
    await engine.storage.command("EXPIRE", key, 10)
    await engine.declared.repeat()
    assert await engine.storage.command("TTL", key) > KEPT - 60
    await engine.storage.command("DEL", key)
    await engine.declared.repeat()
    assert await engine.storage.command("EXISTS", key) == 1


async def test_a_list_that_was_lost_counts_as_not_said(engine: Engine) -> None:
    digest = await engine.declared.say(["post"])
    await register(engine, "mail", digest)
    await engine.storage.command("DEL", engine.storage.keys("declared", digest))
    assert (await engine.declared.present()).of("fn:default") == [Speaker("mail", None)]
