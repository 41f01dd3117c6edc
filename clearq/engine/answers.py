"""From the words that scripts answer to the errors that callers see."""

from __future__ import annotations

from collections.abc import Sequence

from clearq.errors import ConflictError, QueueNotFound, Stale, StatusConflict, TaskNotFound, UsageError

_ADVICE = {
    "created": "It is a draft: enqueue it first.",
    "queued": "It waits in a queue: dequeue or stop it first.",
    "in_progress": "It is running: stop it first.",
    "completed": "Reset or clone it to run it again.",
    "published": "A published task never changes: clone it.",
}


def missing_task(task_id: str) -> TaskNotFound:
    """No such task."""
    shown = task_id if len(task_id) <= 64 else f"{task_id[:64]}…"
    return TaskNotFound(f"There is no task {shown}. `clearq task ls` lists those there are.")


def missing_queue(name: str, existing: Sequence[str]) -> QueueNotFound:
    """No such queue; says which there are."""
    names = ", ".join(repr(other) for other in sorted(existing)[:20]) or "none"
    return QueueNotFound(
        f"There is no queue {name!r}. Queues are: {names}. Create it with `clearq queue create {name!r}`."
    )


def not_fair(queue: str) -> UsageError:
    """A key of a fair queue was given to an ordinary one."""
    return UsageError(
        f"Queue {queue!r} is not fair: it serves in order of arrival, and takes no keys. While nothing waits in it, "
        f"`clearq queue fair {queue!r} --on` changes that; or name a new queue, which is made fair."
    )


def conflict(task_id: str, status: str, verb: str) -> StatusConflict:
    """The status forbids the verb."""
    advice = _ADVICE.get(status, "")
    return StatusConflict(f"Task {task_id} is {status}, so it cannot be {verb}. {advice}".rstrip())


def no_args(task_id: str, status: str, verb: str) -> StatusConflict:
    """It cannot run again: a function's arguments are kept until it completes."""
    return StatusConflict(
        f"Task {task_id} is the call of a function that has completed and given up its arguments (it is {status} now), "
        f"so it cannot be {verb}. Enqueue a new call; this one's result stays."
    )


def stale(task_id: str, fence: str) -> Stale:
    """The attempt has lost its task."""
    return Stale(f"Attempt {fence} of task {task_id} is no longer its holder: the task ended or was given to another.")


def unexpected(script: str, answer: object) -> ConflictError:
    """A word that this version does not know: newer data or a mistake in clearq."""
    return ConflictError(f"Script {script!r} answered {answer!r}, which this version of clearq does not know.")
