"""log: append console output."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import NOW, TASK, Bench


def call(fence: str = "", seq: int = 0, *texts: str) -> tuple[Any, ...]:
    return ("log", TASK, fence, seq, 100, *[word for text in texts for word in (NOW, "stdout", text)])


def lines(*texts: str) -> dict[str, Any]:
    return {f"log:{TASK}": [{"at": str(NOW), "stream": "stdout", "text": text} for text in texts]}


async def test_lines_in_order_and_a_repeat_is_dropped(bench: Bench) -> None:
    fence = await bench.running()
    numbered = lines("a", "b") | {f"t:{TASK}": {"log.seq": "1"}}
    await bench.check(*call(fence, 1, "a", "b"), answer=["ok"], changed=numbered)
    await bench.refuse(*call(fence, 1, "a", "b"), answer=["again"])
    await bench.check(*call(fence, 3, "c"), answer=["ok"], changed=lines("c") | {f"t:{TASK}": {"log.seq": "3"}})
    await bench.refuse(*call(fence, 2, "late"), answer=["again"])


async def test_without_a_number_everything_is_kept(bench: Bench) -> None:
    await bench.draft()
    await bench.check(*call("", 0, "x"), answer=["ok"], changed=lines("x"))
    await bench.check(*call("", 0, "x"), answer=["ok"], changed=lines("x"))


async def test_an_ended_attempt_may_send_its_rest(bench: Bench) -> None:
    fence = await bench.ended()
    await bench.check(*call(fence, 0, "bye"), answer=["ok"], changed=lines("bye"))


async def test_numbers_begin_anew_with_the_next_attempt(bench: Bench) -> None:
    fence = await bench.claimed()
    await bench.call(*call(fence, 7, "x"))
    await bench.call("release", NOW, TASK, fence, "", "")
    second = await bench.claimed(TASK)
    assert await bench.call(*call(second, 1, "y")) == ["ok"]
    await bench.refuse(*call(fence, 8, "z"), answer=["stale"])


@pytest.mark.parametrize("fence", ["1.other", "2.c-task"])
async def test_stale_fences_are_refused(bench: Bench, fence: str) -> None:
    await bench.running()
    await bench.refuse(*call(fence, 1, "x"), answer=["stale"])


async def test_it_is_bounded(bench: Bench) -> None:
    await bench.draft()
    for _ in range(10):
        await bench.call(*call("", 0, *["x"] * 100))
    assert len((await bench.state())[f"log:{TASK}"]) <= 300


async def test_no_such_task(bench: Bench) -> None:
    await bench.refuse(*call("", 0, "x"), answer=["missing"])
