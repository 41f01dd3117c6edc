"""Putting a task into a queue: the one call of the script ``enqueue``."""

from __future__ import annotations

from dataclasses import dataclass

from clearq.clock import milliseconds
from clearq.engine.answers import conflict, missing_queue, missing_task, no_args, not_fair, unexpected
from clearq.engine.codec import dict_to_flat
from clearq.engine.ids import nonce
from clearq.errors import UsageError
from clearq.models.queue import slug
from clearq.storage import Storage

#: Seconds an idempotency key is kept.
KEY_LIFETIME = 86_400.0


@dataclass(frozen=True)
class Placing:
    """Where and when a task shall wait. ``flags``: c create the queue, f force, n a new task."""

    queue: str
    flags: str
    priority: int | None = None  #: none: the one it has
    delay: float | None = None
    due: float | None = None
    key: str | None = None

    def check(self) -> None:
        """Raises UsageError."""
        if self.priority is not None and not -1000 <= self.priority <= 1000:
            raise UsageError(f"Priority {self.priority} is out of range: it goes from -1000 to 1000, higher first.")
        if self.delay is not None and self.due is not None:
            raise UsageError("Give delay or due, not both.")


async def put(storage: Storage, task_id: str, placing: Placing, fields: dict[str, str]) -> list[str]:
    """The script's answer: queued, duplicate or exists. ``fields``: of a new task.

    Raises UsageError, QueueNotFound, TaskNotFound, StatusConflict.
    """
    placing.check()
    answer: list[str] = await storage.script(
        "enqueue",
        "",
        task_id,
        placing.queue,
        "" if placing.priority is None else str(placing.priority),
        "" if placing.delay is None else str(milliseconds(max(placing.delay, 0.0))),
        "" if placing.due is None else str(milliseconds(placing.due)),
        nonce(),
        placing.flags,
        slug(placing.queue),
        placing.key or "",
        str(milliseconds(KEY_LIFETIME)),
        *dict_to_flat(fields),
    )
    match answer[0]:
        case "queued" | "duplicate" | "exists":
            return answer
        case "no_queue":
            raise missing_queue(placing.queue, await storage.command("HKEYS", storage.keys("queues")))
        case "missing":
            raise missing_task(task_id)
        case "not_fair":
            raise not_fair(answer[1])
        case "no_args":
            raise no_args(task_id, answer[1], "enqueued again")
        case "conflict":
            raise conflict(task_id, answer[1], "enqueued")
    raise unexpected("enqueue", answer)
