"""A queue that is deleted and made again while a worker serves it: the worker goes on with the new one."""

from __future__ import annotations

from clearq.models.limit import Size
from tests.support.agents import until
from tests.support.functions import Workers

LIMITED = """
from clearq import limit

@app.task(name="limited", queue="mail", limits=limit("one", concurrent=1))
async def limited() -> int:
    return 1
"""


async def lanes(workers: Workers) -> list[list[str]]:
    """Of each process, the ids of its queues."""
    return [[lane.queue for lane in worker.info.lanes] for worker in await workers.engine.workers.list()]


async def test_workers_go_on_with_the_new_queue(workers: Workers) -> None:
    engine = workers.engine
    jobs = workers.folder / "jobs.py"
    jobs.write_text(jobs.read_text() + LIMITED)
    await workers.start("--queues", "mail,other", "--processes", "2")
    ids = [await workers.enqueue("count", number, queue="mail") for number in range(10)]
    assert {state.status for state in await workers.ended(*ids)} == {"completed"}

    await engine.queues.delete("mail")
    ids = [await workers.enqueue("count", 10, queue="other")]
    assert (await workers.ended(*ids))[0].result == b"10", "the others are served as before"

    ids = [await workers.enqueue("count", number, queue="mail") for number in range(10)]
    found = await workers.ended(*ids)
    assert sorted(int(state.result) for state in found) == list(range(10))
    assert (await engine.queues.get("mail")).id == "mail-2"
    assert [(limit.name, limit.size) for limit in await engine.limits.list("mail-2")] == [("one", Size(1))]

    async def settled() -> bool:
        return await lanes(workers) == [["mail-2", "other"]] * 2

    await until(settled, "both are registered for the new one")


async def test_a_burst_ends_though_one_of_its_queues_is_gone(workers: Workers) -> None:
    id = await workers.enqueue("hold", 1, queue="other")
    await workers.engine.queues.create("mail")
    worker = await workers.start("--queues", "mail,other", "--burst")
    await workers.marked("begin", 1)
    await workers.engine.queues.delete("mail")
    workers.go()
    assert (await workers.ended(id))[0].status == "completed"
    assert worker.process.wait(30) == 0
    assert "queue mail was deleted: this burst has nothing to do in it" in worker.text()
