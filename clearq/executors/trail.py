"""End every process of an attempt, however it hides, multiplies or refuses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable
from typing import NamedTuple

from clearq.executors.members import Trail
from clearq.executors.orphans import OWN_MAINS
from clearq.executors.proc import Identity, Process, catches, children, look, program, send

#: Seconds that a tree is fought for; what lives on then is stuck in the kernel or another user's.
KILL_WITHIN = 10.0

#: Rounds of one strike.
STRIKES = 100


class Ended(NamedTuple):
    """What became of a tree."""

    killed: int  #: processes that SIGKILL was sent to
    survivors: list[int]  #: pids that could not be ended


def ask_to_end(processes: Iterable[Process]) -> None:
    """Send the stop signal: SIGTERM, or SIGINT to a Python program that handles only that.

    So a ``KeyboardInterrupt`` unwinds Python programs that know nothing of SIGTERM (parity row A-051), while
    shells, whose SIGINT is a matter of their children, get SIGTERM.
    """
    for process in processes:
        interrupt = (
            not catches(process.pid, signal.SIGTERM)
            and catches(process.pid, signal.SIGINT)
            and program(process.pid).startswith(("python", "pypy"))
        )
        send(process.identity, signal.SIGINT if interrupt else signal.SIGTERM)


def end_now(trail: Trail, within: float = KILL_WITHIN) -> Ended:
    """SIGKILL until a tree is gone. Blocks: call it in a thread."""
    return _Hunt(trail).run(time.monotonic() + within)


class _Hunt:
    """Freezes a tree, kills it, and looks again until nothing stirs.

    Frozen first, so that nobody forks or restarts another one between two blows. A table of processes is not read
    in one instant: one that hops from pid to pid can be missed in it. But each hop ends a process or makes an orphan,
    and both become children of a sub-reaper: the tree is gone only when two looks found nobody and no new child.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._frozen: set[Identity] = set()
        self._struck: set[Identity] = set()
        self._killed: dict[Identity, Process] = {}

    def run(self, deadline: float) -> Ended:
        quiet = 0
        while quiet < 2 and time.monotonic() < deadline:
            self._freeze()
            stirred = self._strike(signal.SIGKILL, self._struck)
            found = self._trail.members()
            for process in found.values():
                self._kill(process)
            collect(self._killed.values())
            quiet = 0 if found or stirred else quiet + 1
            if found:
                time.sleep(0.005)
        return Ended(len(self._killed), [] if quiet == 2 else sorted(self._trail.members()))

    def _freeze(self) -> None:
        """Bounded: a tree that forks faster than it can be stopped is killed as it is."""
        for _ in range(5):
            self._strike(signal.SIGSTOP, self._frozen)
            fresh = [p for p in self._trail.members().values() if p.identity not in self._frozen]
            for process in fresh:
                send(process.identity, signal.SIGSTOP)
                self._frozen.add(process.identity)
            if not fresh:
                return

    def _kill(self, process: Process) -> None:
        if send(process.identity, signal.SIGKILL):
            self._killed[process.identity] = process

    def _strike(self, number: int, known: set[Identity]) -> bool:
        """Signal at once what needs no look at the whole table: the group, and children that came to us.

        Catches those that fork faster than a table is read, so it goes on while new ones come, for a while. True:
        there was a child that was not known yet.
        """
        stirred = False
        for _ in range(STRIKES):
            fresh = [child for child in _foreign_children() if child.identity not in known]
            if not fresh:
                break
            stirred = True
            for child in fresh:
                known.add(child.identity)
                if self._trail.holds_group(child):
                    with contextlib.suppress(OSError):
                        os.killpg(child.group, number)
                if child.alive and self._trail.claims(child):
                    if number == signal.SIGKILL:
                        self._kill(child)
                    else:
                        send(child.identity, number)
            self._trail.reap()
        return stirred


def _foreign_children() -> list[Process]:
    """Children in other sessions than ours, zombies included: mains, and orphans that came to us."""
    session = os.getsid(0)
    found = (look(pid) for pid in children())
    return [process for process in found if process is not None and process.session != session]


def collect(killed: Iterable[Process]) -> None:
    """Reap those that were or have become this process's children."""
    for process in killed:
        now = look(process.pid)
        if now is None or now.alive or now.identity != process.identity or now.pid in OWN_MAINS:
            continue
        with contextlib.suppress(ChildProcessError):
            os.waitpid(now.pid, os.WNOHANG)


def find_tree(marker: str) -> list[int]:
    """Pids of all processes that carry an attempt's marker, and of what descends from them."""
    return sorted(Trail(marker).members())


async def kill_tree(
    marker: str, pgid: int | None = None, grace: float = 0.0, *, started: int | None = None
) -> list[int]:
    """End an attempt's tree from outside, such as after its supervisor was killed.

    Answers the pids that could not be ended. ``grace``: seconds between the stop signal and SIGKILL.
    ``pgid``: pid of the attempt's main process; with its start time too (``ProcessTree.started``), also
    members of its session that do not carry the marker are found.
    """
    trail = Trail(marker, pgid, started)
    asked = await asyncio.to_thread(trail.members)
    if asked and grace > 0:
        await end_softly(trail, grace)
    ended = await asyncio.to_thread(end_now, trail)
    collect(asked.values())
    return ended.survivors


async def end_softly(trail: Trail, grace: float) -> bool:
    """Send the stop signal and wait up to ``grace`` seconds. True: the tree is gone."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    members = await asyncio.to_thread(trail.members)
    # Asked once: what a handler starts now, to save its work, is left alone until the grace is over.
    ask_to_end(members.values())
    pause = 0.02
    while members and (left := deadline - loop.time()) > 0:
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, 0.25)
        trail.reap()
        if not any(_runs(process) for process in members.values()):  # a look at the whole table costs more
            members = await asyncio.to_thread(trail.members)
    return not members


def _runs(process: Process) -> bool:
    now = look(process.pid)
    return now is not None and now.alive and now.identity == process.identity
