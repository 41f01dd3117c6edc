"""This process's own task, and what a fork does to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clearq.sdk.init import join_parent
from clearq.sdk.logger import follow_current
from clearq.sdk.run import Run

if TYPE_CHECKING:
    from clearq.sdk.face import TaskHandle

_task: TaskHandle | None = None


#: The run of a parent process that this one reports for without having made a ``Task`` of it.
_joined: Run | None = None


def current() -> TaskHandle | None:
    """The task of the run that goes on in this process."""
    return _task if _task is not None and _task.live_run is not None else None


def set_current(task: TaskHandle | None) -> None:
    """From now on this is the process's task."""
    global _task, _joined
    _task, _joined = task, None


def current_run() -> Run | None:
    """The live run, while it lasts; in a process that a run started, that one."""
    global _joined
    if _task is not None and _task.live_run is not None:
        return _task.live_run
    if _joined is None:
        _joined = join_parent()
    return _joined


#: Seconds that a run's first fork waits for the background threads to have loaded what they need.
FORK_WAIT = 5.0
_settled: Run | None = None


def _before_fork() -> None:
    """A module that a background thread has half imported at a fork stays so in the child for ever."""
    global _settled
    run = _live()
    if run is not None and run is not _settled:
        _settled = run
        run.outbox.tried.wait(FORK_WAIT)
        if run.capture is not None:
            run.capture.settle(FORK_WAIT)


def _after_fork() -> None:
    run = _live()
    if run is not None:
        run.become_child()


def _live() -> Run | None:
    return _task.live_run if _task is not None else _joined


follow_current(current_run)
os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
