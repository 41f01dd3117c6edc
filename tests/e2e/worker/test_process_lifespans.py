"""Functions in processes of their own get what lifespans yield, made where they run."""

from __future__ import annotations

import orjson

from tests.support.functions import Workers

APP = """
import asyncio, os, threading
from clearq import Clearq, current, inject

app = Clearq()

def mark(word):
    with open(os.environ["MARKS"] + "/marks", "a") as file:
        file.write(f"{word} {os.getpid()}\\n")

@app.lifespan
async def pool(app):
    mark("open")
    yield {"pool": threading.Lock(), "loop": asyncio.get_running_loop(), "pid": os.getpid()}
    mark("close")

@app.task(name="on_the_loop", where="process")
async def on_the_loop(pool=inject(), loop=inject()) -> list:
    await asyncio.sleep(0)
    return [pool.locked(), loop is asyncio.get_running_loop(), current().state["pid"] == os.getpid(), os.getpid()]

@app.task(name="plain", where="process")
def plain(pid: int = inject()) -> list:
    return [pid == os.getpid(), os.getpid()]
"""


async def test_each_process_makes_its_own_once(workers: Workers) -> None:
    (workers.folder / "jobs.py").write_text(APP)
    ids = [await workers.enqueue("on_the_loop")]
    worker = await workers.start("--concurrency", "1")
    await workers.ended(*ids)
    ids += [await workers.enqueue(name) for name in ("plain", "on_the_loop")]
    first, plain, second = [orjson.loads(state.result) for state in await workers.ended(*ids)]
    pid = first.pop()
    assert (first, plain, second) == ([False, True, True], [True, pid], [False, True, True, pid])
    assert worker.stop() == 0
    (child,) = {mark.split()[1] for mark in workers.marks if not mark.endswith(f" {pid}")}
    assert workers.marks == {f"{word} {number}": 1 for word in ("open", "close") for number in (pid, child)}
