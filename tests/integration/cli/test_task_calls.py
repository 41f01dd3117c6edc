"""``clearq task show`` of a function: what it is called with and what came of it, wherever that lies."""

from __future__ import annotations

from clearq.cli import exits
from clearq.engine import Engine
from clearq.engine.calls import Call
from clearq.functions.payloads import Payloads, blob_of
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
