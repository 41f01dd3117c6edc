"""Stop, kill, leftovers: nothing of a tree survives, wherever it hides."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from clearq.executors.proc import LINUX, Identity, look, send
from clearq.executors.trail import Trail, find_tree, kill_tree
from clearq.models import Limits
from tests.e2e.executors.running import FORKERS, Run, alive

MakeRun = Callable[[Limits | None], Run]

#: Ways out of a process group, a session and a family. Each prints the pid of a process that only SIGKILL ends.
HIDEOUTS = {
    "child": "sh -c 'trap \"\" TERM INT HUP; echo pid $$; while :; do sleep 600; done' &",
    "nohup": "nohup sh -c 'trap \"\" TERM INT; echo pid $$; while :; do sleep 600; done' &",
    "setsid": "setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 600; done' &",
    "double fork": "(setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 600; done' &) &",
    "empty environment": (
        "(env -i PATH=$PATH setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 600; done' &) &"
    ),
}


@pytest.mark.skipif(not LINUX, reason="setsid and sub-reapers are Linux's")
@pytest.mark.parametrize("hideout", HIDEOUTS)
async def test_stop_ends_what_hides_and_does_not_listen(run: Run, hideout: str) -> None:
    await run.shell(f"{HIDEOUTS[hideout]}\n sleep 600")
    (hidden,) = await run.pids(1)
    waiting = asyncio.create_task(run.tree.wait())
    await run.tree.stop(grace=0.1)
    end = await waiting
    assert alive(run.tree.pid, hidden) == []
    assert run.tree.members() == []
    assert end.outcome(stopped=True).status == "stopped"


@pytest.mark.skipif(not LINUX, reason="setsid and sub-reapers are Linux's")
@pytest.mark.parametrize("hideout", HIDEOUTS)
async def test_attempt_ends_with_its_main_process_and_leftovers_are_ended(
    make_run: MakeRun, tmp_path: Path, hideout: str
) -> None:
    """They also hold stdout open: the attempt does not wait for them."""
    run = make_run(Limits(stop_grace=0.1))
    go = tmp_path / "go"
    await run.shell(f"{HIDEOUTS[hideout]}\n while [ ! -e {go} ]; do sleep 0.02; done; exit 0")
    (hidden,) = await run.pids(1)
    go.touch()
    end = await run.tree.wait()
    assert alive(hidden) == []
    assert end.code == 0
    assert end.leftovers >= 1
    assert "outlived the main process" in end.outcome().message
    assert end.outcome().status == "completed"
    assert str(hidden) in run.remarks[0]


async def test_leftover_that_ends_by_itself_is_not_mentioned(run: Run) -> None:
    await run.shell("sleep 0.05 & exit 0")
    end = await run.tree.wait()
    assert (end.leftovers, run.remarks) == (0, [])


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_own_handler_gets_its_chance(run: Run, name: str) -> None:
    """Rows A-051 and B-027: whichever of the two the program handles, it hears of the stop."""
    await run.python(
        f"""
        import signal, sys, time
        def handler(number, frame):
            print("saving after", signal.Signals(number).name)
            sys.exit(0)
        signal.signal(signal.{name}, handler)
        print("ready")
        time.sleep(600)
        """
    )
    await run.printed("ready")
    waiting = asyncio.create_task(run.tree.wait())
    await run.tree.stop(grace=60)
    end = await waiting
    assert f"saving after {name}" in run.output["stdout"].decode()
    assert end.code == 0
    assert not end.killed


@pytest.mark.skipif(not LINUX, reason="handlers are seen in /proc")
async def test_plain_python_program_unwinds(run: Run) -> None:
    await run.python(
        """
        import time
        try:
            print("ready")
            time.sleep(600)
        finally:
            print("cleaned up")
        """
    )
    await run.printed("ready")
    waiting = asyncio.create_task(run.tree.wait())
    await run.tree.stop(grace=60)
    assert (await waiting).signal == signal.SIGINT
    assert "cleaned up" in run.output["stdout"].decode()


async def test_handler_may_start_processes_to_save_its_work(run: Run) -> None:
    await run.shell("trap 'sleep 0.3; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    await run.printed("ready")
    waiting = asyncio.create_task(run.tree.wait())
    await run.tree.stop(grace=60)
    end = await waiting
    assert "saved" in run.output["stdout"].decode()
    assert (end.code, end.leftovers) == (0, 0)


async def test_program_that_ignores_the_stop_is_killed_after_the_grace(run: Run) -> None:
    await run.shell("trap '' TERM; echo ready; while :; do sleep 600; done")
    await run.printed("ready")
    waiting = asyncio.create_task(run.tree.wait())
    await run.tree.stop(grace=0.05)
    end = await waiting
    assert (end.signal, end.killed, end.oom) == (signal.SIGKILL, True, False)


async def test_frozen_tree_is_ended_too(run: Run) -> None:
    await run.shell("sleep 600 & echo pid $!; echo pid $$; wait")
    child, main = await run.pids(2)
    for pid in (main, child):
        os.kill(pid, signal.SIGSTOP)
    waiting = asyncio.create_task(run.tree.wait())
    await run.tree.stop(grace=0.05)
    await waiting
    assert alive(main, child) == []


@pytest.mark.skipif(not LINUX, reason="sub-reapers are Linux's")
@pytest.mark.parametrize("way", FORKERS)
async def test_tree_that_multiplies_while_it_is_killed_is_ended(run: Run, way: str) -> None:
    await run.python(FORKERS[way])
    await run.pids(1)
    waiting = asyncio.create_task(run.tree.wait())
    await run.tree.stop(grace=0.1)
    end = await waiting
    assert end.survivors == ()
    assert find_tree(run.marker) == []
    assert run.tree.members() == []


async def test_agent_ends_a_tree_whose_supervisor_is_gone(run: Run, make_run: MakeRun) -> None:
    """The free functions know only the marker: as an agent does after a supervisor was killed."""
    await run.shell("nohup setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 600; done' & sleep 600")
    (hidden,) = await run.pids(1)
    other = make_run(None)
    await other.shell("echo ready; sleep 600")
    await other.printed("ready")
    assert {run.tree.pid, hidden} <= set(find_tree(run.marker))
    assert find_tree("nobody.1") == []
    assert await kill_tree(run.marker, grace=0.05) == []
    assert alive(run.tree.pid, hidden) == []
    assert alive(other.tree.pid) == [other.tree.pid], "another attempt's tree is left alone"
    await run.tree.wait()
    waiting = asyncio.create_task(other.tree.wait())
    await other.tree.stop()
    await waiting


@pytest.mark.skipif(not LINUX, reason="env -i and setsid")
async def test_main_process_without_marker_is_found_by_its_start_time(run: Run) -> None:
    await run.shell("exec env -i /bin/sh -c 'echo pid $$; sleep 600; true'")
    (main,) = await run.pids(1)
    assert find_tree(run.marker) == []
    recycled = Trail(run.marker, main, run.tree.started - 1)
    assert recycled.members() == {}, "the pid belongs to a later process now"
    assert Trail(run.marker, main).members() == {}, "a bare pid proves nothing"
    waiting = asyncio.create_task(run.tree.wait())
    assert await kill_tree(run.marker, main, started=run.tree.started) == []
    assert (await waiting).signal == signal.SIGKILL


async def test_recycled_pid_is_never_signalled(run: Run) -> None:
    pid = await run.shell("echo ready; sleep 600")
    await run.printed("ready")
    process = look(pid)
    assert process is not None
    assert not send(Identity(pid, process.started - 1), signal.SIGKILL)
    assert alive(pid) == [pid]
    assert send(process.identity, signal.SIGTERM)
    assert (await run.tree.wait()).signal == signal.SIGTERM
    assert not send(process.identity, signal.SIGTERM)


async def test_own_other_processes_are_left_alone(run: Run) -> None:
    """What the supervisor itself had started before, also in a session of its own, is not of the tree."""
    mine = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    await run.shell("echo ready; sleep 600")
    await run.printed("ready")
    waiting = asyncio.create_task(run.tree.wait())
    await run.tree.kill()
    await waiting
    assert alive(mine.pid) == [mine.pid]
    mine.kill()
    await mine.wait()
