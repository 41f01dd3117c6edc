"""What all parts of the ``Task`` face stand on: a handle on one task, live or only looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from clearq.models import Status, Task, TaskSpec
from clearq.sdk.connection import connection
from clearq.sdk.patch import SpecPatch
from clearq.sdk.run import Run

if TYPE_CHECKING:
    from clearq.engine import Engine

T = TypeVar("T")

#: Seconds that a call which reads results waits for this process's own reports to arrive first.
SETTLE = 5.0


class TaskHandle:
    """One task: this process's own run, or any other one by its id.

    Changes to the own run never wait for the network; all else are calls to the server, which raise
    :class:`~clearq.errors.StorageUnavailable` when it stays away.
    """

    def __init__(self, *, run: Run | None = None, task: Task | None = None) -> None:
        self._live = run
        self._known = task

    @property
    def live_run(self) -> Run | None:
        """The run of this process, while it lasts; ``None`` for any other task."""
        if self._live is not None and self._live.ended:
            return None
        return self._live

    @property
    def _run(self) -> Run | None:
        return self.live_run

    @property
    def id(self) -> str:
        """32 hex characters."""
        if self._live is not None:
            return self._live.id
        assert self._known is not None  # noqa: S101  # one of the two is given
        return self._known.id

    @property
    def task_id(self) -> str:
        """The same as :attr:`id`."""
        return self.id

    def _call(self, action: Callable[[Engine], Awaitable[T]]) -> T:
        return connection().call(action)

    def _read(self) -> Task:
        """The task as the server knows it now."""
        self.settle()
        task_id = self.id
        self._known = self._call(lambda engine: engine.tasks.get(task_id))
        return self._known

    def settle(self) -> None:
        """Let this process's own reports arrive before the server is asked."""
        if self._run is not None:
            self._run.outbox.flush(SETTLE)

    @property
    def _spec(self) -> TaskSpec:
        """The description: for the own run what this process made of it, else as the server has it."""
        if self._run is not None and self._run.mode != "child":
            return self._run.spec
        return self._read().spec

    def _patch(self, **change: Any) -> None:
        """Change the description by a :class:`SpecPatch` of these fields."""
        patch = SpecPatch(**change)
        if self._run is not None:
            self._run.patch(patch)
            return
        task_id = self.id
        self._known = self._call(lambda engine: engine.tasks.edit(task_id, patch.apply))

    def reload(self) -> None:
        """Read the task from the server again."""
        self._read()

    def get_status(self) -> str:
        """Status as the server knows it, such as ``created``; a live run is ``in_progress`` without asking."""
        return str(Status.IN_PROGRESS if self._run is not None else self._read().status)

    def get_status_message(self) -> str:
        """What was said about the status: one sentence, or the end of a traceback."""
        task = self._read()
        return task.status_message or task.status_reason

    @property
    def status(self) -> str:
        """The same as :meth:`get_status`."""
        return self.get_status()
