"""What may happen to a function worker, and that nothing is lost or run twice by it."""

from __future__ import annotations

import asyncio
import signal

import psutil
import pytest

from tests.support.agents import until
from tests.support.functions import WorkerProcess, Workers, is_spare

#: What an app's module does before anything else: it notes each try, and ends the first so many by a signal.
DIES_WHILE_LOADING = """
import os, signal
with open(os.environ["MARKS"] + "/marks", "a") as marks:
    marks.write("load \\n")
with open(os.environ["MARKS"] + "/marks") as marks:
    if marks.read().count("load") <= {times}:
        os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_killed_child_is_followed_by_another_and_its_tasks_run_again(workers: Workers) -> None:
    worker = await workers.start()
    ids = [await workers.enqueue("hold", number) for number in range(5)]
    await workers.marked("begin", 5)
    worker.children[0].kill()
    await workers.marked("begin", 10)
    workers.go()
    states = await workers.ended(*ids)
    assert [state.status for state in states] == ["completed"] * 5
    assert sorted(workers.marks.items()) == [
        *((f"begin {number}", 2) for number in range(5)),
        *((f"end {number}", 1) for number in range(5)),
    ]
    assert {(await workers.fields(id))["losses"] for id in ids} == {"1"}


async def test_a_first_process_that_is_killed_while_it_loads_the_app_is_followed_by_another(workers: Workers) -> None:
    jobs = workers.folder / "jobs.py"
    jobs.write_text(DIES_WHILE_LOADING.format(times=2) + jobs.read_text())
    worker = await workers.start()
    [state] = await workers.ended(await workers.enqueue("count", 1))
    assert state.status == "completed"
    assert worker.text().count("was ended by SIGKILL before it had loaded the app; another follows") == 2


@pytest.mark.parametrize(
    ("module", "said", "loads"),
    [
        (DIES_WHILE_LOADING.format(times=1000), "was ended by SIGKILL", 4),
        (DIES_WHILE_LOADING.format(times=0) + "import no_such_module\n", "no_such_module", 1),
        (DIES_WHILE_LOADING.format(times=0) + "os._exit(7)\n", "ended with exit code 7", 1),
    ],
    ids=["always killed", "cannot be loaded", "exits"],
)
async def test_a_worker_whose_app_never_loads_ends_with_its_error(
    workers: Workers, module: str, said: str, loads: int
) -> None:
    (workers.folder / "jobs.py").write_text(module)
    worker = WorkerProcess(workers.settings, workers.folder, ())
    workers.started.append(worker)
    assert await asyncio.to_thread(worker.process.wait, 60) == 2
    assert said in worker.text()
    assert workers.marks["load "] == loads


async def test_a_spare_process_takes_the_place_of_one_that_dies(workers: Workers) -> None:
    worker = await workers.start()

    async def spares() -> list[psutil.Process]:
        return [process for process in psutil.Process(worker.process.pid).children() if is_spare(process)]

    await until(spares, "a spare process stands by")
    [spare] = await spares()
    id = await workers.enqueue("pid_when_free")
    await workers.marked("begin", 1)
    worker.children[0].kill()
    await workers.marked("begin", 2)
    workers.go()
    [state] = await workers.ended(id)
    assert state.result == str(spare.pid).encode()
    assert worker.stop() == 0


async def test_a_process_that_a_function_replaces_by_another_program_counts_as_dead(workers: Workers) -> None:
    await workers.start("--concurrency", "1")
    id = await workers.enqueue("become_another_program")
    [state] = await workers.ended(id)
    assert (state.status, state.reason) == ("failed", "lost with its worker")
    [state] = await workers.ended(await workers.enqueue("count", 1))
    assert state.status == "completed"


async def test_a_process_that_is_killed_between_two_calls_costs_no_attempt(workers: Workers) -> None:
    await workers.start()
    [state] = await workers.ended(await workers.enqueue("process", 1))
    idle = psutil.Process(int(state.result))
    idle.kill()

    async def killed() -> bool:
        return not idle.is_running() or idle.status() == psutil.STATUS_ZOMBIE

    await until(killed, "the idle process has ended")
    [state] = await workers.ended(await workers.enqueue("process", 2))
    assert state.status == "completed", state.reason
    assert int(state.result) != idle.pid


async def test_a_worker_that_is_stopped_between_two_processes_takes_nothing_more(workers: Workers) -> None:
    worker = await workers.start()
    id = await workers.enqueue("end_the_process")

    async def pauses() -> bool:
        return (await workers.fields(id)).get("losses") == "3"

    await until(pauses, "three processes in a row have ended at once")
    assert worker.stop() == 0
    assert workers.marks["ends "] == 3
    fields = await workers.fields(id)
    assert (fields["losses"], fields["status"]) == ("3", "queued")


async def test_children_end_with_their_parent_and_another_worker_takes_over(workers: Workers) -> None:
    first = await workers.start("--processes", "2")
    ids = [await workers.enqueue("hold", number) for number in range(3)]
    ids.append(await workers.enqueue("block", 6))
    await workers.marked("begin", 4)
    children = first.children
    assert len(children) == 2
    first.process.kill()
    _, alive = psutil.wait_procs(children, timeout=4)
    assert alive == []
    await workers.start()
    await workers.marked("begin", 8)
    workers.go()
    states = await workers.ended(*ids[:3])
    assert [state.status for state in states] == ["completed"] * 3
    assert [workers.marks[f"end {number}"] for number in range(3)] == [1, 1, 1]


async def test_code_that_blocks_the_loop_keeps_its_lease(workers: Workers) -> None:
    await workers.start()
    await workers.start()
    [state] = await workers.ended(await workers.enqueue("block", 5))
    assert state.result == b'"blocked"'
    assert workers.marks["begin "] == 1


async def test_what_is_given_to_a_process_that_hangs_goes_to_another(workers: Workers) -> None:
    await workers.start()
    await workers.start()
    storage = workers.engine.storage

    async def both_wait() -> bool:
        return int(await storage.command("ZCARD", storage.keys("idle", "fn:default"))) == 2

    await until(both_wait, "both workers wait")
    blocking = await workers.enqueue("block_when_free", 8)
    await workers.marked("begin", 1)
    await until(both_wait, "both wait, and the one that runs it came last")
    workers.go()
    await workers.marked("blocks", 1)
    id = await workers.enqueue("count", 1)
    assert (await workers.fields(id))["fence"].startswith("1.g"), "it was given to the one that hangs"
    [state] = await workers.ended(id)
    assert state.status == "completed"
    assert (await workers.engine.functions.states([blocking]))[0].status == "in_progress"
    assert (await workers.ended(blocking))[0].result == b'"blocked"'
    assert (await workers.ended(await workers.enqueue("count", 2)))[0].status == "completed"
    assert (workers.marks["count 1"], workers.marks["begin "]) == (1, 1)
    assert "losses" not in await workers.fields(id)


async def test_a_process_that_hangs_is_not_woken_for_what_another_could_take(workers: Workers) -> None:
    workers.settings = workers.settings.model_copy(update={"heartbeat": 20.0, "dead_after": 60.0})
    await workers.start()
    await workers.start()
    storage = workers.engine.storage

    async def waiting(count: int) -> bool:
        return int(await storage.command("ZCARD", storage.keys("idle", "fn:default"))) == count

    await until(lambda: waiting(2), "both workers wait")
    blocking = await workers.enqueue("block_when_free", 60)
    await workers.marked("begin", 1)
    await until(lambda: waiting(2), "both wait, and the one that runs it came last")
    workers.go()
    await workers.marked("blocks", 1)
    await until(lambda: waiting(1), "the one that hangs waits no longer")
    await workers.ended(await workers.enqueue("count", 1), timeout=15)  # less than a heartbeat
    assert (await workers.engine.functions.states([blocking]))[0].status == "in_progress"


async def test_code_that_holds_the_interpreter_keeps_its_lease(workers: Workers) -> None:
    await workers.start()
    await workers.start()
    id = await workers.enqueue("grab", 5)
    [state] = await workers.ended(id)
    assert state.result == b'"grabbed"'
    assert workers.marks["begin "] == 1
    assert "losses" not in await workers.fields(id)


async def test_the_late_result_of_a_suspended_worker_is_refused(workers: Workers) -> None:
    first = await workers.start()
    id = await workers.enqueue("pid_when_free")
    await workers.marked("begin", 1)
    first_child = first.children[0].pid
    first.signal_all(signal.SIGSTOP)
    second = await workers.start()
    await workers.marked("begin", 2)
    workers.go()
    [state] = await workers.ended(id)
    first.signal_all(signal.SIGCONT)

    async def said() -> bool:
        return "too late" in first.text() or "thought dead" in first.text()

    await until(said, "the first worker says that it was too late")
    [after] = await workers.engine.functions.states([id])
    assert after == state
    assert after.result == str(second.children[0].pid).encode() != str(first_child).encode()


async def test_a_suspended_child_loses_its_lease_though_its_parent_lives(workers: Workers) -> None:
    worker = await workers.start()
    id = await workers.enqueue("pid_when_free")
    await workers.marked("begin", 1)
    child = worker.children[0]
    child.send_signal(signal.SIGSTOP)
    await workers.start()
    await workers.marked("begin", 2)
    workers.go()
    [state] = await workers.ended(id)
    assert state.result != str(child.pid).encode()


async def test_sigterm_hands_back_what_does_not_end_within_the_grace(workers: Workers) -> None:
    first = await workers.start("--grace", "0.3")
    ids = [await workers.enqueue("hold", 1), await workers.enqueue("thread", 2)]
    await workers.marked("begin", 2)
    assert first.stop() == 0
    for id in ids:
        fields = await workers.fields(id)
        assert "status" not in fields or fields["status"] == "queued", fields
        assert not {"failures", "losses"} & fields.keys()
    workers.go()
    await workers.start("--burst")
    assert [state.result for state in await workers.ended(*ids)] == [b"1", b"2"]
    assert workers.marks["end 1"] == workers.marks["end 2"] == 1


async def test_sigterm_lets_running_functions_end(workers: Workers) -> None:
    worker = await workers.start()
    id = await workers.enqueue("hold", 1)
    await workers.marked("begin", 1)
    worker.process.terminate()

    async def drains() -> bool:
        storage = workers.engine.storage
        return not await storage.command("ZCARD", storage.keys("idle", "fn:default"))

    await until(drains, "it waits for no more work")
    late = await workers.enqueue("count", 1)
    workers.go()
    assert worker.process.wait(20) == 0
    done, waiting = await workers.engine.functions.states([id, late])
    assert (done.result, waiting.status) == (b"1", "queued")


async def test_a_function_that_blocks_past_its_timeout_is_ended(workers: Workers) -> None:
    await workers.start()
    id = await workers.enqueue("block_with_timeout", extra={"limits.losses": "0"})
    [state] = await workers.ended(id)
    assert (state.status, state.reason) == ("failed", "lost with its worker")
    [after] = await workers.ended(await workers.enqueue("count", 1))
    assert after.result == b"1"
    assert workers.marks["blocked "] == 1
