"""tally: counts of a worker are added once, into a hash that stays bounded."""

from __future__ import annotations

from typing import Any

from clearq.engine.tally import BOUNDS, Series, Tallies, Tally
from tests.support.bench import LATER, WORKER, Bench
from tests.support.state import lifetimes

END = ("end", "complete", "default", "app.f", 2, "0", 3, "sum", 1500)
LAG = ("lag", "", "default", "", 2, "17", 1, "sum", 4_000_000_000)


def call(*series: tuple[Any, ...], nonce: str = "n", most: int = 100) -> tuple[Any, ...]:
    return ("tally", LATER, WORKER, nonce, most, *(field for each in series for field in each))


async def test_counts_are_added_once(bench: Bench) -> None:
    await bench.worker(lanes="fn:default")
    first = {
        "end complete default 0 app.f": "3",
        "end complete default sum app.f": "1500",
        "lag  default 17 ": "1",
        "lag  default sum ": "4000000000",
    }
    await bench.check(*call(END, LAG), answer=["added"], changed={"tally": first, f"worker:{WORKER}": {"tally": "n"}})
    await bench.refuse(*call(END, LAG), answer=["known"])
    second = {"end complete default 0 app.f": "6", "end complete default sum app.f": "3000"}
    await bench.check(
        *call(END, nonce="n2"), answer=["added"], changed={"tally": second, f"worker:{WORKER}": {"tally": "n2"}}
    )
    assert 0 < (await lifetimes(bench.storage))["tally"] <= 30 * 86_400_000


async def test_no_worker_is_made_of_one_that_has_gone(bench: Bench) -> None:
    await bench.check(
        *call(LAG), answer=["added"], changed={"tally": {"lag  default 17 ": "1", "lag  default sum ": "4000000000"}}
    )


async def test_a_full_hash_takes_new_series_together(bench: Bench) -> None:
    await bench.call(*call(END, most=1))
    for number in range(50):
        await bench.call(
            *call(("end", "fail", "q", f"f{number}", 1, "sum", 1), ("lag", "", f"q{number}", "", 1, "sum", 1), most=1)
        )
    await bench.call(*call(END, most=1))
    assert (await bench.state())["tally"] == {
        "end complete default 0 app.f": "6",
        "end complete default sum app.f": "3000",
        "end fail other sum other": "50",
        "lag  other sum ": "50",
    }


async def test_what_python_counts_is_what_python_reads(bench: Bench) -> None:
    tally, tallies = Tally(), Tallies(bench.storage)
    tally.ended("retry", "default", "a function", 0.001)
    tally.ended("retry", "default", "a function", 5000.0)
    tally.began("default", 0.3)
    rows = tally.take()
    assert tally.take() == []
    tally.add(rows)
    (batch,) = tallies.batches("w", rows)
    await tallies.push(batch)
    assert await tallies.read() == tally.histograms()
    ended = (await tallies.read())[Series("end", "retry", "default", "a function")]
    assert (ended.counts[0], ended.counts[len(BOUNDS)], sum(ended.counts), ended.total) == (1, 1, 2, 5000.001)
