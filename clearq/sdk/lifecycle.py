"""The part of ``Task`` that changes its status."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from clearq.errors import ClearqError, TaskFailed, WaitTimeout
from clearq.models import Outcome, Status
from clearq.sdk.face import TaskHandle
from clearq.sdk.run import CLOSE_TIMEOUT

#: Statuses that ``wait_for_status`` waits for, and those that end the wait with an error.
GOOD = (Status.COMPLETED, Status.STOPPED, Status.CLOSED)
BAD = (Status.FAILED,)


class Lifecycle(TaskHandle):
    """Mark, stop, reset, publish, archive, delete, wait.

    With ``ignore_errors`` (ClearML's argument, mostly on by default there) a refused change gives ``False``
    instead of raising :class:`~clearq.errors.StatusConflict`.
    """

    def mark_started(self, force: bool = False) -> None:
        """Say that the task runs. A live run does already."""
        if self._run is None:
            self._mark(Status.IN_PROGRESS, force=force)

    def mark_completed(
        self, ignore_errors: bool = True, status_message: str | None = None, force: bool = False
    ) -> bool:
        """End the task well. The own run ends its reporting; the program goes on."""
        return self._end(Status.COMPLETED, "", status_message, force=force, ignore_errors=ignore_errors)

    def mark_failed(
        self,
        ignore_errors: bool = True,
        status_reason: str | None = None,
        status_message: str | None = None,
        force: bool = False,
    ) -> bool:
        """End the task as failed."""
        reason = status_reason or "marked failed"
        return self._end(Status.FAILED, reason, status_message, force=force, ignore_errors=ignore_errors)

    def mark_stopped(self, force: bool = False, status_message: str | None = None) -> bool:
        """End the task as stopped (ClearML's pages call it aborted)."""
        return self._end(Status.STOPPED, "", status_message, force=force, ignore_errors=False)

    def mark_stop_request(self, force: bool = False, status_message: str | None = None) -> None:
        """Ask a running task to end; a waiting one is stopped at once."""
        self.settle()
        task_id, reason = self.id, status_message or ""
        self._call(lambda engine: engine.tasks.stop(task_id, reason=reason))

    def started(self, ignore_errors: bool = True, force: bool = False) -> None:
        """The same as :meth:`mark_started`."""
        self.mark_started(force=force)

    def completed(self, ignore_errors: bool = True) -> bool:
        """The same as :meth:`mark_completed`."""
        return self.mark_completed(ignore_errors=ignore_errors)

    def stopped(
        self,
        ignore_errors: bool = True,
        force: bool = False,
        status_reason: str | None = None,
        status_message: str | None = None,
    ) -> bool:
        """The same as :meth:`mark_stopped`, with a reason."""
        return self._end(Status.STOPPED, status_reason or "", status_message, force=force, ignore_errors=ignore_errors)

    def stop_request(self, ignore_errors: bool = True, force: bool = False, status_message: str | None = None) -> None:
        """The same as :meth:`mark_stop_request`."""
        self.mark_stop_request(force=force, status_message=status_message)

    def reset(self, set_started_on_success: bool = False, force: bool = False) -> None:
        """Back to a draft: outputs are forgotten, the description stays. A live run cannot be reset."""
        self.settle()
        task_id = self.id
        self._call(lambda engine: engine.tasks.reset(task_id, force=force))
        if set_started_on_success:
            self._mark(Status.IN_PROGRESS)

    def publish(self, ignore_errors: bool = True) -> bool:
        """Publish an ended task; it never changes again."""
        task_id = self.id
        return self._try(ignore_errors, lambda: self._call(lambda engine: engine.tasks.publish(task_id)))

    def set_archived(self, archive: bool) -> None:
        """Put the task out of sight, or back."""
        self.settle()
        task_id = self.id
        self._call(lambda engine: engine.tasks.archive(task_id, archive))

    def get_archived(self) -> bool:
        """Is it out of sight?"""
        return self._read().archived

    def wait_for_status(
        self,
        status: Iterable[Status | str] = GOOD,
        raise_on_status: Iterable[Status | str] | None = BAD,
        check_interval_sec: float = 60.0,
        timeout: float | None = None,
    ) -> None:
        """Wait until the task has one of these statuses.

        Ends are told by the server at once; ``check_interval_sec`` only bounds how late any other status is
        seen. Raises :class:`~clearq.errors.TaskFailed` (a ``RuntimeError`` in ClearML) for one of
        ``raise_on_status``, :class:`~clearq.errors.WaitTimeout` after ``timeout`` seconds.
        """
        wanted = {str(one) for one in ([status] if isinstance(status, str) else status)}
        unwanted = {str(one) for one in raise_on_status or ()}
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            task = self._read()
            if str(task.status) in wanted:
                return
            if str(task.status) in unwanted:
                reason = task.status_reason or task.status_message
                raise TaskFailed(f"Task {task.id} is {task.status}: {reason or 'no reason was given'}")
            left = check_interval_sec if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout(f"Task {task.id} is still {task.status} after {timeout:g} s.")
            self._await_change(task.id, task.ended_for_good, min(left, check_interval_sec))

    def _await_change(self, task_id: str, ended: bool, seconds: float) -> None:
        if ended:
            time.sleep(min(seconds, 1.0))
            return
        try:
            self._call(lambda engine: engine.tasks.wait(task_id, timeout=seconds))
        except WaitTimeout:
            return

    def get_executed_queue(self, return_name: bool = False) -> str | None:
        """Id (or name) of the queue that the task waits in or ran from."""
        queue = self._read().queue
        if not queue or not return_name:
            return queue or None
        return self._call(lambda engine: engine.queues.get(queue)).name

    def _end(self, status: Status, reason: str, message: str | None, *, force: bool, ignore_errors: bool) -> bool:
        run = self._run
        outcome = Outcome(status=status, reason=reason, message=message or "")
        if run is None:
            return self._try(
                ignore_errors,
                lambda: self._mark(status, reason=reason, message=message or "", force=force),
            )
        if run.mode == "manual":
            return run.finish(outcome)
        run.outbox.deeds.add(run.ending(outcome))
        return run.outbox.flush(CLOSE_TIMEOUT)

    def _mark(self, status: Status, *, reason: str = "", message: str = "", force: bool = False) -> None:
        task_id = self.id
        self._known = self._call(
            lambda engine: engine.tasks.mark(task_id, status, reason=reason, message=message, force=force)
        )

    @staticmethod
    def _try(ignore_errors: bool, change: Any) -> bool:
        try:
            change()
        except ClearqError:
            if not ignore_errors:
                raise
            return False
        return True
