"""Two apps without names, whose workers take from the same queue: each is given what only the other knows."""

from __future__ import annotations

import asyncio

from tests.support.functions import WorkerProcess, Workers

MAIL = """
from clearq import Clearq

app = Clearq()

@app.task(name="post")
async def post(number: int) -> int:
    return number
"""

EMPTY = "from clearq import Clearq\napp = Clearq()\n"


async def test_every_call_reaches_the_worker_that_knows_it(workers: Workers) -> None:
    (workers.folder / "mail.py").write_text(MAIL)
    await workers.start()
    other = await workers.start(app="mail:app")
    assert "declare functions that this app does not" in other.text()
    assert "Clearq(name=...)" in other.text()

    calls = [workers.enqueue(fn, number) for number in range(200) for fn in ("post", "count")]
    found = await workers.ended(*await asyncio.gather(*calls))
    assert {state.status for state in found} == {"completed"}
    assert sorted(int(state.result) for state in found) == sorted(2 * list(range(200)))
    for _ in range(3):  # both idle: whoever was here last is woken first
        for fn in ("post", "count"):
            [state] = await workers.ended(await workers.enqueue(fn, 7))
            assert (state.status, state.result) == ("completed", b"7")


def test_an_app_without_functions_is_an_error(workers: Workers) -> None:
    (workers.folder / "empty.py").write_text(EMPTY)
    worker = WorkerProcess(workers.settings, workers.folder, (), "empty:app")
    workers.started.append(worker)
    assert worker.process.wait(30) != 0
    assert "The app empty:app declares no function" in worker.text()
