"""``task.execute_remotely``: stop here, run it all on an agent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clearq.errors import EnvironmentFailed, StorageUnavailable, UsageError
from clearq.models import Outcome, Status
from clearq.sdk.connection import connection
from clearq.sdk.run import Run

if TYPE_CHECKING:
    from clearq.engine import Engine

#: Seconds that the recording of the code, and then the server, may take.
CAPTURE_TIMEOUT, SEND_TIMEOUT = 120.0, 30.0


def check(clone: bool, exit_process: bool) -> None:
    """Raises :class:`~clearq.errors.UsageError` (a ``ValueError``) where the run would be in two places."""
    if not clone and not exit_process:
        raise UsageError(
            "execute_remotely(clone=False, exit_process=False) would run the same task here and on the agent:"
            " pass clone=True to send a copy."
        )


def send(run: Run, queue: str, *, clone: bool, end: bool) -> str:
    """Enqueue this process's run (or a copy of it); returns the id of what was enqueued.

    With ``end`` the run here is over afterwards; what it reported is forgotten when it is itself enqueued, so
    that the agent starts from the beginning. Raises QueueNotFound before anything is changed, SpecError or
    EnvironmentFailed when the code cannot be recorded, StorageUnavailable when the server is away.
    """
    if run.capture is not None:
        run.capture.wait(CAPTURE_TIMEOUT)
        for sentence in run.capture.warnings:
            sys.stderr.write(f"clearq WARNING - {sentence}\n")
    if not run.spec.script.entry_point and not run.spec.container.image:
        raise EnvironmentFailed(
            "There is no script to send: an interactive session cannot run on an agent."
            " Save it as a file, or name one with task.set_script()."
        )
    connection().call(lambda engine: engine.queues.get(queue))
    if not run.outbox.flush(SEND_TIMEOUT):
        raise StorageUnavailable("The server cannot be reached, so the task cannot be sent to a queue.")
    task_id = run.id
    if clone:
        copy = connection().call(lambda engine: engine.tasks.clone(task_id))
        connection().call(lambda engine: engine.tasks.enqueue(copy.id, queue))
        if end:
            run.finish()
        return copy.id
    run.keep_session()
    run.finish(Outcome(status=Status.STOPPED, reason="sent to a queue"), SEND_TIMEOUT)
    connection().call(lambda engine: _requeue(engine, task_id, queue))
    return task_id


async def _requeue(engine: Engine, task_id: str, queue: str) -> None:
    await engine.tasks.reset(task_id)
    await engine.tasks.enqueue(task_id, queue)


def leave() -> None:
    """End this process, as the last thing that runs of it."""
    sys.stderr.write("clearq WARNING - Terminating local execution process\n")
    sys.stderr.flush()
    sys.stdout.flush()
    sys.exit(0)
