"""Functions that enqueue functions: from wherever they run, and without an end."""

from __future__ import annotations

from tests.support.agents import until
from tests.support.functions import Workers

TASKS = """
@app.task(name="from_loop")
async def from_loop() -> int:
    return 10 + await (await count.enqueue(1)).result(30)

@app.task(name="from_thread")
def from_thread() -> int:
    return 10 + count.enqueue_sync(2).result_sync(30)

@app.task(name="from_process", where="process")
def from_process() -> int:
    return 10 + count.enqueue_sync(3).result_sync(30)

@app.task(name="spread")
async def spread(depth: int) -> None:
    mark("spread", depth)
    if depth:
        await app.enqueue_many(spread.call(depth - 1) for _ in range(3))

@app.task(name="flood", queue="flood")
async def flood() -> None:
    mark("flood")
    await flood.enqueue()
    await flood.enqueue()
"""


def with_tasks(workers: Workers) -> Workers:
    """Its app knows those functions, too."""
    app = workers.folder / "jobs.py"
    app.write_text(app.read_text() + TASKS)
    return workers


async def test_from_loop_thread_and_process(workers: Workers) -> None:
    ids = [await with_tasks(workers).enqueue(f"from_{where}") for where in ("loop", "thread", "process")]
    await workers.start("--burst")
    assert [state.result for state in await workers.ended(*ids)] == [b"11", b"12", b"13"]
    assert [workers.marks[f"count {number}"] for number in (1, 2, 3)] == [1, 1, 1]


async def test_each_branch_of_a_spreading_function_runs_once(workers: Workers) -> None:
    await with_tasks(workers).enqueue("spread", 5)
    worker = await workers.start("--burst")
    assert worker.process.wait(60) == 0
    assert [workers.marks[f"spread {depth}"] for depth in range(6)] == [243, 81, 27, 9, 3, 1]


async def test_a_flood_leaves_the_rest_at_work_and_can_be_cleared(workers: Workers) -> None:
    """Each call enqueues two more: the queue grows without an end, the worker does not."""
    with_tasks(workers)
    worker = await workers.start("--queues", "default,flood")
    engine = workers.engine
    [before] = await workers.ended(await workers.enqueue("count", 0))
    child, resident = worker.children[0], worker.children[0].memory_info().rss
    await workers.enqueue("flood", queue="flood")

    async def flooded() -> bool:
        return (await engine.queues.get("flood")).waiting > 2000

    await until(flooded, "thousands wait")
    [beside] = await workers.ended(await workers.enqueue("count", 1))
    assert (before.result, beside.result) == (b"0", b"1")
    assert child.memory_info().rss - resident < 50 * 2**20
    await engine.queues.pause("flood", by="a test")

    async def empty() -> bool:
        await engine.queues.clear("flood")
        queue = await engine.queues.get("flood")
        return queue.waiting == 0 and queue.running == 0

    await until(empty, "nothing of it is left")
    [after] = await workers.ended(await workers.enqueue("count", 2))
    assert after.result == b"2"
    assert worker.children[0].pid == child.pid
