"""wait_many: the states of functions, and a bell for those that have not ended."""

from __future__ import annotations

from tests.integration.lua.test_enqueue_many import one
from tests.integration.lua.test_turn import call, end, started
from tests.support.bench import NOW, Bench


async def test_what_has_ended_is_answered_of_the_rest_the_caller_is_a_waiter(bench: Bench) -> None:
    await started(bench, "done", "failed", "running")
    await bench.call("enqueue_many", NOW, *one("waiting"))
    await bench.call(*call(0, end("done"), end("failed", "fail", "{}", "boom"), nonce="n2", number=2))
    ids = ["done", "failed", "running", "waiting", "nobody"]
    answer = [
        ["completed", "42", "", ""],
        ["failed", "", "{}", "boom"],
        ["in_progress", "", "", ""],
        ["queued", "", "", ""],
        ["", "", "", ""],
    ]
    await bench.refuse("wait_many", "", *ids, answer=answer)
    flags = {"waited": "1", "x": "1"}
    await bench.check(
        "wait_many",
        "client",
        *ids,
        answer=answer,
        changed={
            "waiters:running": {"client": True},
            "waiters:waiting": {"client": True},
            "t:running": flags,
            "t:waiting": flags,
        },
    )


async def test_script_tasks_can_be_awaited_too(bench: Bench) -> None:
    await bench.running("script")
    assert await bench.call("wait_many", "client", "script") == [["in_progress", "", "", ""]]
    assert (await bench.state())["waiters:script"] == {"client": True}
