"""Find every process of an attempt.

A process belongs to an attempt's tree when it carries the attempt's marker in its environment, stands in the
session or group of its main process, was adopted by this process (see :mod:`clearq.executors.orphans`), or
descends from one of these. So ``nohup``, ``setsid``, double forks and an emptied environment hide nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from clearq.executors.orphans import OWN_MAINS, Orphans
from clearq.executors.proc import Process, look, marker_of, table


@dataclass(frozen=True)
class Trail:
    """What is known of an attempt's tree."""

    marker: str
    #: Main process: it leads a session and a group of its own. A pid alone counts only if a process in that
    #: group carries the marker: by then it could be somebody else's.
    pgid: int | None = None
    started: int | None = None  #: its :attr:`Identity.started`
    #: What this process has adopted since the tree was started; None: look for no orphans.
    orphans: Orphans | None = None

    def members(self) -> dict[int, Process]:
        """Every living process of the tree, this one excepted."""
        me = os.getpid()
        everyone = {pid: process for pid, process in table().items() if process.alive and pid != me}
        marks = {pid: marker_of(pid) for pid in everyone}
        found = {pid for pid, mark in marks.items() if mark == self.marker}
        in_group = {pid for pid in self._group(everyone) if marks[pid] in (None, self.marker)}
        if self.started is not None or in_group & found:
            found |= in_group
        found |= {pid for pid in self._adopted(everyone) if marks[pid] in (None, self.marker)}
        return {pid: everyone[pid] for pid in _with_descendants(found, everyone)}

    def _group(self, everyone: dict[int, Process]) -> set[int]:
        """Those in the session or group of the main process."""
        if self.pgid is None:
            return set()
        leader = look(self.pgid)
        since = self.started or 0
        if leader is not None and self.started is not None and leader.started != self.started:
            return set()  # the number was given to somebody else: nobody of ours is left there
        return {
            pid
            for pid, process in everyone.items()
            if self.pgid in (process.group, process.session) and process.started >= since
        }

    def _adopted(self, everyone: dict[int, Process]) -> set[int]:
        if self.orphans is None:
            return set()
        me = os.getpid()
        return {pid for pid, process in everyone.items() if process.parent == me and self.orphans.include(process)}

    def reap(self) -> None:
        """Collect adopted orphans that have ended."""
        if self.orphans is not None:
            self.orphans.living()

    def claims(self, child: Process) -> bool:
        """Is this living child of ours of the tree, judged without a look at the whole table?"""
        mark = marker_of(child.pid)
        if mark is None:
            return self.orphans is not None and self.orphans.include(child)
        return mark == self.marker and (child.pid not in OWN_MAINS or child.pid == self.pgid)

    def holds_group(self, child: Process) -> bool:
        """Does this child of ours, alive or not, prove that the group is still the tree's?

        It stands in the group, and as long as it is not reaped, the group's number cannot be given away.
        """
        if self.pgid is None or self.started is None or child.group != self.pgid:
            return False
        leader = look(self.pgid)
        return child.started >= self.started and (leader is None or leader.started == self.started)


def _with_descendants(found: set[int], everyone: dict[int, Process]) -> set[int]:
    below: dict[int, list[int]] = {}
    for pid, process in everyone.items():
        below.setdefault(process.parent, []).append(pid)
    todo = list(found)
    while todo:
        for child in below.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found
