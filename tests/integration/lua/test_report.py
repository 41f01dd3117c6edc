"""report: append scalar values and keep each one's summary."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import LATER, NOW, TASK, Bench
from tests.support.state import GONE


def call(fence: str = "", seq: int = 0, *points: tuple[str, str, str]) -> tuple[Any, ...]:
    flat = [word for metric, step, value in points for word in (metric, step, value, "")]
    return ("report", LATER, TASK, fence, seq, 100, *flat)


def point(step: str, value: str) -> dict[str, str]:
    return {"i": step, "v": value, "at": str(LATER)}


async def test_values_and_summaries(bench: Bench) -> None:
    fence = await bench.running()
    points = (("loss", "1", "0.5"), ("loss", "2", "0.25"), ("loss", "3", "0.75"), ("acc", "2", "1e-05"))
    await bench.check(
        *call(fence, 1, *points),
        answer=["ok"],
        changed={
            f"scalar:{TASK}:loss": [point("1", "0.5"), point("2", "0.25"), point("3", "0.75")],
            f"scalar:{TASK}:acc": [point("2", "1e-05")],
            f"scalars:{TASK}": {"loss": "0.75 0.25 0.75 3 3", "acc": "1e-05 1e-05 1e-05 2 1"},
            f"t:{TASK}": {"metrics.seq": "1", "last_iteration": "3"},
        },
    )
    await bench.refuse(*call(fence, 1, *points), answer=["again"])
    more = {f"scalar:{TASK}:loss": [point("2", "0.1")], f"scalars:{TASK}": {"loss": "0.1 0.1 0.75 2 4"}}
    await bench.check(*call(fence, 0, ("loss", "2", "0.1")), answer=["ok"], changed=more)


async def test_a_single_value_has_no_stream(bench: Bench) -> None:
    await bench.draft()
    changed = {f"scalars:{TASK}": {"Summary/f1": "0.5 0.5 0.5 - 1"}}
    await bench.check(*call("", 0, ("Summary/f1", "", "0.5")), answer=["ok"], changed=changed)
    changed = {f"scalars:{TASK}": {"Summary/f1": "0.25 0.25 0.5 - 2"}}
    await bench.check(*call("", 0, ("Summary/f1", "", "0.25")), answer=["ok"], changed=changed)


async def test_a_time_that_is_given(bench: Bench) -> None:
    await bench.draft()
    await bench.call("report", LATER, TASK, "", 0, 100, "loss", "1", "0.5", NOW)
    assert (await bench.state())[f"scalar:{TASK}:loss"] == [{"i": "1", "v": "0.5", "at": str(NOW)}]


@pytest.mark.parametrize(
    ("values", "summary"),
    [
        (("nan", "1.0", "2.0"), "2.0 1.0 2.0 1 3"),
        (("1.0", "nan"), "nan 1.0 1.0 1 2"),
        (("inf", "1.0"), "1.0 1.0 inf 1 2"),
        (("1.0", "-inf"), "-inf -inf 1.0 1 2"),
        (("nan",), "nan nan nan 1 1"),
    ],
)
async def test_nan_and_infinity(bench: Bench, values: tuple[str, ...], summary: str) -> None:
    await bench.draft()
    for value in values:
        await bench.call(*call("", 0, ("loss", "1", value)))
    state = await bench.state()
    assert state[f"scalars:{TASK}"] == {"loss": summary}
    assert [entry["v"] for entry in state[f"scalar:{TASK}:loss"]] == list(values)


async def test_all_digits_come_back(bench: Bench) -> None:
    await bench.draft()
    await bench.call(*call("", 0, ("loss", "9007199254740991", "0.12345678901234568")))
    state = await bench.state()
    assert state[f"scalars:{TASK}"]["loss"].startswith("0.12345678901234568 ")
    assert state[f"t:{TASK}"]["last_iteration"] == "9007199254740991"


async def test_numbers_begin_anew_with_the_next_attempt(bench: Bench) -> None:
    fence = await bench.claimed()
    await bench.call(*call(fence, 7, ("loss", "1", "0.5")))
    await bench.call("release", NOW, TASK, fence, "", "")
    second = await bench.claimed(TASK)
    assert await bench.call(*call(second, 1, ("loss", "1", "0.5"))) == ["ok"]
    await bench.refuse(*call(fence, 8, ("loss", "1", "0.5")), answer=["stale"])


async def test_it_is_bounded(bench: Bench) -> None:
    await bench.draft()
    for _ in range(10):
        await bench.call(*call("", 0, *[("loss", str(i), "1.0") for i in range(100)]))
    state = await bench.state()
    assert len(state[f"scalar:{TASK}:loss"]) <= 300
    assert state[f"scalars:{TASK}"]["loss"].endswith(" 1000")
    assert state.get("changed") is not GONE


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse(*call("", 0, ("loss", "1", "0.5")), answer=["missing"])
    await bench.refuse(*call("1.x", 0, ("loss", "1", "0.5")), answer=["missing"])
