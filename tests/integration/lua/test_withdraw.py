"""withdraw: a process that hangs is given nothing more, and what it has not taken goes to others."""

from __future__ import annotations

from tests.integration.lua.test_enqueue_many import one
from tests.integration.lua.test_turn import call
from tests.support.bench import LATER, NOW, WORKER, Bench, score
from tests.support.state import GONE


async def given(bench: Bench, *ids: str) -> None:
    """Functions that were given to a worker with room for one more."""
    await bench.worker(lanes="fn:default")
    for number, id in enumerate(ids):
        turn = call(9, nonce=f"n{number}", number=number + 1, room=len(ids) + 1 - number, taken=number, at=NOW)
        await bench.call(*turn)
        await bench.call("enqueue_many", NOW, *one(id))


async def test_first_the_door_is_closed(bench: Bench) -> None:
    await given(bench, "a")
    changed = {f"worker:{WORKER}": {"room": GONE}}
    await bench.check("withdraw", LATER, WORKER, 0, 0, answer=["1", "0"], changed=changed)
    await bench.call(*call(0, number=8, nonce="n8"))  # a turn that was on its way
    await bench.call("enqueue_many", LATER, *one("b"))
    assert "b" in (await bench.state())["fn:default"]


async def test_it_is_not_woken_for_what_others_could_take(bench: Bench) -> None:
    await bench.worker("other", "fn:default")
    await bench.call("turn", NOW, "other", "n", 1, 1, "fn", 1, 0, 1, "default", 1)
    await bench.worker(lanes="fn:default fn:second")
    await bench.call("turn", LATER, WORKER, "n", 2, 1, "fn", 2, 0, 2, "default", 1, "second", 1)
    changed = {
        f"worker:{WORKER}": {"room": GONE},
        "idle:fn:default": {WORKER: GONE},
        "idle:fn:second": GONE,
    }
    await bench.check("withdraw", LATER, WORKER, 0, 0, answer=["0", "0"], changed=changed)
    await bench.call("enqueue_many", LATER, *one("a"))
    assert "a" in (await bench.state())["own:other"]


async def test_what_was_not_taken_goes_back_to_its_place_and_rings_another(bench: Bench) -> None:
    await given(bench, "a", "b")
    await bench.worker("other", "fn:default")
    await bench.call("turn", NOW, "other", "n", 1, 1, "fn", 1, 0, 1, "default", 1)
    await bench.call("withdraw", LATER, WORKER, 0, 0)
    await bench.check(
        *("withdraw", LATER, WORKER, 1, 2),
        answer=["2", "1"],
        changed={
            f"own:{WORKER}": {"b": GONE},
            "t:b": {"status": GONE, "holder": GONE},
            "fn:default": {"b": score(2)},
            "idle:fn:default": GONE,
            "bell:other": ["1"],
            "queue:default": {"running": "1"},
            f"worker:{WORKER}": {"withdrawn": "2"},
        },
    )
    word, _, claims, _ = await bench.call("turn", LATER, "other", "n2", 1, 2, "fn", 0, 0, 1, "default", 1)
    assert (word, claims[0][:2]) == ("claimed", ["b", "2.n2"])
    # The first one's end, had it run, is refused: it is another's.
    _, stale, *_ = await bench.call(*call(0, ["b", f"1.g2x{NOW}", "complete", "1", "", ""], nonce="n9", number=9))
    assert stale == ["b"]


async def test_what_was_withdrawn_takes_no_room_for_ever(bench: Bench) -> None:
    await given(bench, "a")
    await bench.call("withdraw", LATER, WORKER, 0, 1)
    word, _, claims, *_ = await bench.call(*call(1, nonce="n5", number=5, room=1))
    assert (word, [claim[0] for claim in claims]) == ("claimed", ["a"])


async def test_what_was_claimed_stays(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    await bench.call("enqueue_many", NOW, *one("claimed"))
    await bench.call(*call(1))
    changed = {f"worker:{WORKER}": {"room": GONE, "withdrawn": "5"}}
    await bench.check("withdraw", LATER, WORKER, 0, 5, answer=["0", "0"], changed=changed)


async def test_what_shall_stop_stays_with_who_was_told(bench: Bench) -> None:
    await given(bench, "a")
    assert await bench.call("stop", NOW, "a", "enough") == ["stopping"]
    assert await bench.call("withdraw", LATER, WORKER, 0, 1) == ["1", "0"]


async def test_what_has_no_queue_any_more_stays(bench: Bench) -> None:
    await given(bench, "a")
    await bench.command("DEL", "queue:default")
    assert await bench.call("withdraw", LATER, WORKER, 0, 1) == ["1", "0"]


async def test_a_dead_one(bench: Bench) -> None:
    await bench.refuse("withdraw", LATER, "nobody", 0, 3, answer=["0", "0"])
