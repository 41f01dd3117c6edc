"""A task's status, its finer stage, and the one table of legal changes.

Source: ClearML's server table (``clearml-server`` bll/task/utils.py), plus
``in_progress -> queued``, which only the engine uses (retry, release, reclaim).
The Lua scripts read this very table: the loader writes it into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """Where a task stands (ClearML's ten values)."""

    CREATED = "created"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    STOPPED = "stopped"
    CLOSED = "closed"
    FAILED = "failed"
    COMPLETED = "completed"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """What an ``in_progress`` task is doing."""

    CLAIMED = "claimed"  #: a worker has it; nothing has started yet
    PREPARING = "preparing"  #: its environment is being made
    RUNNING = "running"  #: the user's code runs
    STOPPING = "stopping"  #: it was asked to end
    LOST = "lost"  #: its holder is silent; its GPUs are still held


_S = Status

#: From a status to those that may follow it.
TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        _S.CREATED: frozenset({_S.QUEUED, _S.IN_PROGRESS}),
        _S.QUEUED: frozenset({_S.CREATED, _S.IN_PROGRESS, _S.STOPPED}),
        _S.IN_PROGRESS: frozenset({_S.STOPPED, _S.FAILED, _S.CREATED, _S.COMPLETED, _S.QUEUED}),
        _S.STOPPED: frozenset(
            {
                _S.CLOSED,
                _S.CREATED,
                _S.FAILED,
                _S.QUEUED,
                _S.IN_PROGRESS,
                _S.PUBLISHED,
                _S.PUBLISHING,
                _S.COMPLETED,
            }
        ),
        _S.CLOSED: frozenset({_S.CREATED, _S.FAILED, _S.PUBLISHED, _S.PUBLISHING, _S.STOPPED}),
        _S.FAILED: frozenset({_S.CREATED, _S.STOPPED, _S.PUBLISHED, _S.QUEUED}),
        _S.COMPLETED: frozenset({_S.PUBLISHED, _S.IN_PROGRESS, _S.CREATED}),
        _S.PUBLISHING: frozenset({_S.PUBLISHED}),
        _S.PUBLISHED: frozenset(),
        _S.UNKNOWN: frozenset(),
    }
)

#: Statuses in which nothing more happens by itself.
ENDED = frozenset({_S.STOPPED, _S.CLOSED, _S.FAILED, _S.COMPLETED, _S.PUBLISHED})


def may_follow(before: Status, after: Status) -> bool:
    """Is ``before -> after`` in the table? A status may always follow itself."""
    return before == after or after in TRANSITIONS[before]
