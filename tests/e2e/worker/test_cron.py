"""A rule of every second over two workers, of which one is killed: each second once."""

from __future__ import annotations

import signal

from tests.support.functions import Workers

APP = """
import os
from clearq import Clearq
from clearq.functions.context import current

app = Clearq()

@app.cron("* * * * * *", name="tick")
@app.task(name="second")
async def second() -> None:
    with open(os.environ["MARKS"] + "/marks", "a") as file:
        file.write(f"second {current().id}\\n")
"""


async def test_each_slot_runs_once_over_two_workers(workers: Workers) -> None:
    (workers.folder / "jobs.py").write_text(APP)
    first, second = await workers.start("--name", "a"), await workers.start("--name", "b")
    await workers.marked("second", 2)
    first.signal_all(signal.SIGKILL)
    await workers.marked("second", 4)
    assert second.process.poll() is None
    assert set(workers.marks.values()) == {1}
    slots = [int((await workers.fields(mark.split()[1]))["slot"]) for mark in workers.marks]
    assert sorted(slots) == list(range(min(slots), max(slots) + 1, 1000))
