"""``clearq task show`` of a function: what it is called with and what came of it, wherever that lies."""

from __future__ import annotations

from clearq.cli import exits
from clearq.engine import Engine
from clearq.engine.calls import Call, End, Given
from clearq.functions.payloads import Payloads, blob_of
from clearq.models import Lane, WorkerInfo
from tests.integration.cli.conftest import Shell


async def test_show_reads_arguments_and_results_where_they_lie(shell: Shell, engine: Engine) -> None:
    payloads = Payloads(engine)
    [large] = await payloads.aside([Call("f" * 32, "mail.send", b'["to all' + b"!" * 3000 + b'"]')])
    await engine.functions.enqueue_many([large, small := Call("e" * 32, "mail.send", b'["to one"]')])
    await engine.tasks.set_progress(small.id, 40, "epoch 3")
    page = (await shell("task", "show", small.id)).out
    lines = ("Progress  40 %, epoch 3", "Name      mail.send", "Executor  function", "Function   mail.send")
    for text in (*lines, 'Arguments  ["to one"]'):
        assert text in page, page
    page = " ".join((await shell("task", "show", large.id)).out.split())
    assert 'Arguments 2.9 KB in Redis: ["to all!!!!!!' in page
    result = await payloads.keep(large.id, "result.1.n", b'"sent"', "result")
    key = engine.storage.keys("t", large.id)
    await engine.storage.command("HSET", key, "result", result.decode())
    await engine.tasks.set_progress(large.id, 40, "epoch 3")
    shown = (await shell("task", "show", large.id, "--json")).json
    assert (shown["progress"], shown["progress_text"]) == (40, "epoch 3")
    call = shown["call"]
    assert call["function"] == "mail.send"
    assert (call["arguments"]["bytes"], call["arguments"]["at"]) == (len(b'["to all"]') + 3000, "Redis")
    assert call["result"] == {"bytes": 6, "at": "Redis", "text": '"sent"'}
    blob = blob_of(large.args)
    assert blob is not None
    await engine.blobs.drop(blob)
    page = " ".join((await shell("task", "show", large.id)).out.split())
    assert "The payload cannot be read any more" in page


async def test_a_call_is_not_cloned(shell: Shell, engine: Engine) -> None:
    await engine.functions.enqueue_many([Call("e" * 32, "mail.send", b'["to one"]')])
    said = await shell("task", "clone", "e" * 32, code=exits.USAGE)
    assert "is a call of the function mail.send, which cannot be cloned" in said.err


async def test_attempts_are_told_apart_and_old_reasons_are_not_told(shell: Shell, engine: Engine) -> None:
    lanes = (Lane(queue="default", kind="function"),)
    workers = [await engine.workers.register(WorkerInfo(label=label, kind="function", lanes=lanes)) for label in "ab"]

    async def take(worker: str, *ends: End, count: int = 1) -> list[Given]:
        return (await engine.functions.turn(worker, [("default", count)] if count else [], count, ends)).claims

    async def page(verb: str = "show") -> str:
        return " ".join((await shell("task", verb, id)).out.split())

    id = "e" * 32
    await engine.functions.enqueue_many([Call(id, "mail.send", b"[]")])
    first, *_ = await take(workers[0])
    assert "Attempts 1 " in await page()
    second, *_ = await take(workers[0], End(id, first.fence, "retry", b"{}", "the first went wrong", "0"))
    assert "Attempts 2, 1 failed" in (shown := await page()) and "went wrong" not in shown
    await take(workers[0], End(id, second.fence, "release", b"", "snoozed: for long", "60000"), count=0)
    assert "Attempts 1, 1 failed, 1 handed back" in (shown := await page()) and "Reason snoozed: for long" in shown
    assert "from now (snoozed: for long)" in await page("why")
    await engine.storage.command("ZADD", engine.storage.keys("delayed"), 0, id)  # a minute later
    third, *_ = await take(workers[0])
    await engine.workers.bury(workers[0], "its process 123 was ended by SIGKILL")
    shown = await page()
    assert "Attempts 1, 1 failed, 1 lost with the worker, 1 handed back" in shown
    assert "Message a: its process 123 was ended by SIGKILL" in shown
    last, *_ = await take(workers[1])
    await take(workers[1], End(id, last.fence, "complete", b"1"), count=0)
    assert "Attempts 2, 1 failed, 1 lost with the worker, 1 handed back" in (shown := await page())
    assert "Reason" not in shown and "Message" not in shown
    assert await page("why") == "It does not wait: it is completed."
    found = (await shell("task", "show", id, "--json")).json
    assert (found["failures"], found["losses"], found["releases"], found["status_reason"]) == (1, 1, 1, "")
    assert third.fence != last.fence
