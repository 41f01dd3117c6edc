"""What functions can do, and what can be done to them, on a real worker."""

from __future__ import annotations

import os

import orjson
import psutil

from tests.support.agents import until
from tests.support.functions import Workers


async def test_calls_end_as_they_should(workers: Workers) -> None:
    """One worker, every kind of end; then a burst has nothing left to do and ends."""
    workers.go()
    names = ("second_time", "second_time_process", "snoozed", "cancelled", "leave", "sleepy", "sleepy_thread")
    ids = {name: await workers.enqueue(name) for name in names}
    ids["thread"] = await workers.enqueue("thread", 7)
    ids["process"] = await workers.enqueue("process", 1)
    ids["wrong"] = await workers.enqueue("count", 1, 2)
    ids["undecodable"] = await workers.enqueue("count", "no number")
    ids["recurse"] = await workers.enqueue("recurse", 5)
    worker = await workers.start("--burst", "--concurrency", "20")
    found = dict(zip(ids, await workers.ended(*ids.values()), strict=True))
    assert worker.process.wait(30) == 0

    assert (found["second_time"].result, workers.marks["try "]) == (b"3", 3)
    assert found["second_time_process"].result == b"[2,1,0,true]", "a process knows of its task what others know"
    assert found["snoozed"].result == b"1", "a snooze counts as no attempt"
    assert found["cancelled"].status == "stopped"
    assert "not wanted" in found["cancelled"].reason
    assert (found["leave"].status, found["leave"].reason) == ("failed", "SystemExit: 3")
    assert (found["sleepy"].status, found["sleepy_thread"].status) == ("failed",) * 2
    assert found["sleepy"].reason == "timed out after 0.2 s"
    assert found["sleepy_thread"].reason == "timed out after 0.3 s; its thread was left behind and goes on"
    assert found["thread"].result == b"7"
    assert found["process"].result not in (b"", str(os.getpid()).encode())
    assert "Wrong arguments for count" in found["wrong"].reason
    assert found["undecodable"].status == "failed"
    assert "'number'" in found["undecodable"].reason
    assert [workers.marks[f"depth {depth}"] for depth in range(6)] == [1] * 6


async def test_the_traceback_of_a_process_is_that_of_its_function_alone(workers: Workers) -> None:
    await workers.start()
    [state] = await workers.ended(await workers.enqueue("broken_process"))
    text = orjson.loads(state.error)["traceback"]
    assert text.startswith("Traceback (most recent call last):\n")
    assert [line.split(", in ")[1] for line in text.splitlines() if line.startswith("  File ")] == ["broken_process"]


async def test_a_process_that_takes_too_long_is_killed(workers: Workers) -> None:
    await workers.start()
    [state] = await workers.ended(await workers.enqueue("sleepy_process"))
    assert state.reason == "timed out after 0.5 s"
    [pid] = [int(mark.split()[1]) for mark in workers.marks]

    async def gone() -> bool:
        return not psutil.pid_exists(pid)

    await until(gone, "the process is gone")


async def test_running_functions_can_be_stopped(workers: Workers) -> None:
    await workers.start()
    ids = [await workers.enqueue("hold", 1), await workers.enqueue("thread", 2)]
    await workers.marked("begin", 2)
    for id in ids:
        assert await workers.engine.tasks.stop(id) == "stopping"
    assert [state.status for state in await workers.ended(*ids)] == ["stopped", "stopped"]


async def test_an_unknown_function_is_left_for_a_worker_that_knows_it(workers: Workers) -> None:
    old = await workers.start()
    app = workers.folder / "jobs.py"
    id = await workers.enqueue("of_tomorrow")

    async def released() -> bool:
        return "due" in await workers.fields(id) and "nobody here knows of_tomorrow" in old.text()

    await until(released, "the old worker hands it back")
    app.write_text(app.read_text() + "\n@app.task(name='of_tomorrow')\nasync def of_tomorrow() -> int:\n    return 1\n")
    await workers.start()
    [state] = await workers.ended(id)
    assert state.result == b"1"
    assert old.process.poll() is None


async def test_an_app_that_cannot_be_loaded_says_why(workers: Workers) -> None:
    (workers.folder / "jobs.py").write_text("import nothing_of_that_name\n")
    worker = workers.started
    from tests.support.functions import WorkerProcess

    worker.append(WorkerProcess(workers.settings, workers.folder, ()))
    assert worker[0].process.wait(30) != 0
    assert "No module named 'nothing_of_that_name'" in worker[0].text()


async def test_several_queues_are_taken_in_order(workers: Workers) -> None:
    workers.go()
    low = await workers.enqueue("hold", 1, queue="low")
    high = [await workers.enqueue("hold", number, queue="high") for number in (2, 3)]
    await workers.start("--queues", "high,low", "--concurrency", "1", "--burst")
    await workers.ended(low, *high)
    begun = [line for line in (workers.folder / "marks").read_text().splitlines() if line.startswith("begin")]
    assert begun == ["begin 2", "begin 3", "begin 1"]


async def test_a_queue_that_is_deleted_and_made_again_is_served_again(workers: Workers) -> None:
    """Its worker is told a name, and goes on with what runs meanwhile."""
    held = await workers.enqueue("hold", 1)
    await workers.start("--queues", "default,other")
    await workers.marked("begin", 1)
    await workers.ended(await workers.enqueue("count", 2, queue="other"))
    await workers.engine.queues.delete("other", force=True)
    again = await workers.enqueue("count", 3, queue="other")
    await workers.ended(again)
    assert (await workers.fields(again))["queue"] == "other-2"
    [worker] = await workers.engine.workers.list()
    assert [lane.queue for lane in worker.info.lanes] == ["default", "other-2"]
    assert (await workers.engine.queues.get("other")).workers == 1
    workers.go()
    await workers.ended(held)
    assert workers.marks["begin 1"] == 1


async def test_cron_runs_once_a_slot_with_two_workers(workers: Workers) -> None:
    app = workers.folder / "jobs.py"
    text = "\n@app.cron('* * * * * *')\n@app.task(name='tick')\nasync def tick() -> None:\n    mark(current().id)\n"
    app.write_text(app.read_text() + text)
    await workers.start()
    await workers.start()

    async def four() -> bool:
        return len(workers.marks) >= 4

    await until(four, "four slots have come")
    assert set(workers.marks.values()) == {1}


SETUP = """
from clearq import inject

@app.lifespan
async def pool(app):
    mark("up")
    yield {"pool": "warm"}
    mark("down")

@app.middleware
async def outer(call, ctx):
    return ["outer", await call()]

@app.middleware
async def inner(call, ctx):
    return ["inner", ctx.name, await call()]

@app.task(name="uses")
async def uses(word: str, pool: str = inject()) -> object:
    current().progress(0.5, "half")
    return [word, pool, current().state["pool"]]
"""


async def test_lifespans_middlewares_and_injected_values(workers: Workers) -> None:
    app = workers.folder / "jobs.py"
    app.write_text(app.read_text() + SETUP)
    id = await workers.enqueue("uses", "hello")
    worker = await workers.start("--burst")
    [state] = await workers.ended(id)
    assert orjson.loads(state.result) == ["outer", ["inner", "uses", ["hello", "warm", "warm"]]]
    assert worker.process.wait(30) == 0
    assert workers.marks == {"up ": 1, "down ": 1}


async def test_a_queue_that_functions_want_fair_is_made_fair(workers: Workers) -> None:
    app = workers.folder / "jobs.py"
    text = "\n@app.task(name='{0}', queue='{0}', fair='{{tenant}}')\nasync def {0}(tenant: str) -> None: ...\n"
    app.write_text(app.read_text() + text.format("made") + text.format("found"))
    await workers.engine.queues.create("found")
    worker = await workers.start("--burst")
    assert worker.process.wait(30) == 0
    assert (await workers.engine.queues.get("made")).fair
    assert not (await workers.engine.queues.get("default")).fair
    assert "`clearq queue fair found --on`" in worker.text(), "one that is there is left as it is"


async def test_a_named_app_has_a_lane_of_its_own(workers: Workers) -> None:
    app = workers.folder / "jobs.py"
    app.write_text(app.read_text().replace("app = Clearq()", "app = Clearq(name='mine')"))
    mine = await workers.enqueue("count", 1, extra={"app": "mine"})
    other = await workers.enqueue("count", 2)
    started = await workers.start("--name", "named")
    [state] = await workers.ended(mine)
    assert state.result == b"1"
    assert (await workers.engine.functions.states([other]))[0].status == "queued"
    [worker] = await workers.engine.workers.list()
    assert worker.info.label == "named0"
    assert [lane.kind for lane in worker.info.lanes] == ["function.mine"]
    assert started.stop() == 0
    burst = await workers.start("--burst")
    assert burst.process.wait(30) == 0, "what waits in the other lane is not for it"
