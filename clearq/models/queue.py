"""Queues: ordered sets of task ids."""

from __future__ import annotations

import re
import unicodedata

from clearq.models.base import Frozen

#: Queues that a fresh server has.
BUILTIN_QUEUES = ("default", "services")


class Pause(Frozen):
    """Who stopped a queue from being served, when and why."""

    by: str
    why: str
    at: float


class Queue(Frozen):
    """A queue with its counts of this moment."""

    id: str
    name: str
    tags: tuple[str, ...] = ()
    pause: Pause | None = None
    created: float | None = None
    rev: int = 0
    waiting: int = 0  #: could be taken now
    delayed: int = 0
    held: int = 0  #: neither waiting nor delayed: they wait for a permit of a limit, or for other tasks to end
    running: int = 0
    fair: bool = False  #: its keys take turns
    for_agents: int = 0  #: of those that wait: scripts, containers, and functions that need GPUs
    workers: int = 0  #: live workers that listen to it
    agents: int = 0  #: of those: agents
    oldest: float | None = None  #: since when the task at the head could have run (seconds since the epoch)

    @property
    def lacks(self) -> str:
        """The kind of worker that something waits for and that nobody is; empty: none."""
        scripts = self.for_agents and not self.agents
        functions = self.waiting > self.for_agents and self.workers == self.agents
        if (scripts and functions) or (self.held and not self.workers):
            return "worker"
        return "agent" if scripts else "function worker" if functions else ""


class FairKey(Frozen):
    """A key of a fair queue."""

    key: str
    waiting: int = 0  #: tasks that could be claimed, or are held by a limit
    weight: int = 1


class Place(Frozen):
    """Where a task is to stand: exactly one of the fields is set."""

    front: bool = False
    back: bool = False
    up: int | None = None
    down: int | None = None
    to: int | None = None  #: index from 0, the head
    before: str | None = None  #: task id
    after: str | None = None  #: task id


def slug(name: str) -> str:
    """A queue's id from its first name: ``"GPU Queue"`` gives ``gpu-queue``.

    Never empty; letters outside ASCII are kept where they are letters or digits.
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    text = re.sub(r"[^\w]+", "-", text).strip("-_")
    return text[:64].strip("-") or "queue"
