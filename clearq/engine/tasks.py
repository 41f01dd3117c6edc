"""Tasks: what their authors can do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from clearq.clock import seconds
from clearq.engine import codec
from clearq.engine.answers import conflict, missing_task, no_args, unexpected
from clearq.engine.editing import rewrite
from clearq.engine.ending import until_ended
from clearq.engine.fair import checked_key
from clearq.engine.ids import new_id, nonce
from clearq.engine.placing import Placing, put
from clearq.engine.search import TaskFilter, resolve, search
from clearq.engine.series import server_time
from clearq.errors import (
    ConflictError,
    StatusConflict,
    UsageError,
)
from clearq.models.attempt import EnqueueResponse
from clearq.models.status import Status
from clearq.models.task import ExecutorKind, Task, TaskSpec, TaskType
from clearq.storage import Storage

#: Characters of the words that go with a task's progress.
PROGRESS_TEXT = 200


class Tasks:
    """Create, find, edit, enqueue, stop and wait."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create(self, spec: TaskSpec, *, id: str | None = None) -> Task:
        """Write a draft (status ``created``). Raises ConflictError when ``id`` is taken."""
        task_id = id or new_id()
        fields = codec.encode_spec(spec)
        answer = await self._storage.script("create", "", task_id, nonce(), *codec.dict_to_flat(fields))
        if answer[0] == "exists":
            raise ConflictError(f"There is a task {task_id} already; leave the id out to get a new one.")
        return await self.get(task_id)

    async def submit(
        self,
        spec: TaskSpec,
        queue: str,
        *,
        id: str | None = None,
        priority: int = 0,
        delay: float | None = None,
        due: float | None = None,
        key: str | None = None,
        create_queue: bool = False,
        fair: str | None = None,
    ) -> str:
        """Create and enqueue in one step; returns the task's id.

        ``delay`` (seconds) or ``due`` (seconds since the epoch) start it later. While ``key`` is held by an
        earlier task (for a day), that one's id is returned and nothing is made. ``fair`` is its key in a fair queue.
        """
        task_id = id or new_id()
        flags = "n" + ("c" if create_queue else "")
        fields = codec.encode_spec(spec) | ({} if fair is None else {"fair": checked_key(fair)})
        answer = await put(self._storage, task_id, Placing(queue, flags, priority, delay, due, key), fields)
        if answer[0] == "exists":
            raise ConflictError(f"There is a task {task_id} already; leave the id out to get a new one.")
        return str(answer[1])

    async def enqueue(
        self,
        id: str,
        queue: str,
        *,
        priority: int | None = None,
        delay: float | None = None,
        due: float | None = None,
        key: str | None = None,
        create_queue: bool = False,
        force: bool = False,
    ) -> EnqueueResponse:
        """Put a draft (or a stopped or failed task; with ``force`` any ended one) at the tail of a queue.

        Raises StatusConflict, TaskNotFound, QueueNotFound; ConflictError while ``key`` is held by another task.
        """
        flags = ("c" if create_queue else "") + ("f" if force else "")
        answer = await put(self._storage, id, Placing(queue, flags, priority, delay, due, key), {})
        if answer[0] == "duplicate":
            raise ConflictError(f"Key {key!r} is held by task {answer[1]}; this one was not enqueued.")
        changed = _iso(int(answer[3]))
        return EnqueueResponse(
            fields={
                "status": "queued",
                "status_reason": "",
                "status_message": "",
                "status_changed": changed,
                "last_update": changed,
                "execution.queue": str(answer[2]),
            }
        )

    async def get(self, id: str) -> Task:
        """The task as it is now. Raises TaskNotFound."""
        fields = await self._storage.command("HGETALL", self._storage.keys("t", id))
        if not fields:
            raise missing_task(id)
        return codec.decode_task(id, fields)

    async def resolve(self, text: str) -> str:
        """A full id from itself, or from a beginning or an end (4 characters or more) that only one task has.

        Raises TaskNotFound, ConflictError.
        """
        return await resolve(self._storage, text)

    async def find(
        self,
        *,
        project: str | None = None,
        name: str | None = None,
        tags: Sequence[str] = (),
        statuses: Sequence[Status | str] = (),
        types: Sequence[TaskType | str] = (),
        archived: bool | None = False,
        limit: int = 100,
    ) -> list[Task]:
        """Tasks that match everything given, the newest change first. ``archived=None``: both kinds."""
        wanted = TaskFilter(
            project,
            name,
            frozenset(tags),
            frozenset(str(status) for status in statuses),
            frozenset(str(kind) for kind in types),
            archived,
        )
        return await search(self._storage, wanted, limit)

    async def edit(
        self,
        id: str,
        change: Callable[[TaskSpec], TaskSpec],
        *,
        fence: str | None = None,
        force: bool = False,
    ) -> Task:
        """Rewrite the description: ``change`` gets the present spec and returns the new one.

        Drafts and waiting tasks may be edited; a running one by its own attempt (``fence``). ``change`` may be
        called again when somebody else edits at the same time. Raises StatusConflict, Stale, TaskNotFound.
        """
        await rewrite(self._storage, id, change, fence or "", force)
        return await self.get(id)

    async def dequeue(self, id: str) -> None:
        """Take a waiting task out of its queue; it is a draft again."""
        await self._plain("dequeue", id, "dequeued")

    async def stop(self, id: str, *, reason: str = "") -> Literal["stopped", "stopping"]:
        """End a task: a waiting one at once, a running one by its supervisor within its grace."""
        answer = await self._plain("stop", id, "stopped", reason)
        return "stopped" if answer[0] == "stopped" else "stopping"

    async def reset(self, id: str, *, force: bool = False) -> None:
        """Back to a draft; what the task produced is forgotten. ``force``: also a published or waiting one."""
        await self._plain("reset", id, "reset", "1" if force else "")

    async def publish(self, id: str) -> None:
        """Publish an ended task; it never changes again."""
        await self._mark(id, Status.PUBLISHED, "", "", force=False)

    async def mark(
        self, id: str, status: Status | str, *, reason: str = "", message: str = "", force: bool = False
    ) -> Task:
        """Set the status of a task that no agent holds. Raises StatusConflict outside the table of changes."""
        await self._mark(id, Status(status), reason, message, force=force)
        return await self.get(id)

    async def _mark(self, id: str, status: Status, reason: str, message: str, *, force: bool) -> None:
        answer = await self._storage.script("mark", "", id, status, reason, message, "1" if force else "")
        match answer[0]:
            case "marked":
                return
            case "missing":
                raise missing_task(id)
            case "conflict":
                raise conflict(id, answer[1], f"marked {status}")
            case "held":
                raise StatusConflict(f"Task {id} is run by {answer[1]}: stop it instead of marking it {status}.")
        raise unexpected("mark", answer)

    async def archive(self, id: str, on: bool = True) -> None:
        """Put a task out of sight, or back. Raises TaskNotFound."""
        await self._note(id, "archived", "1" if on else None)

    async def delete(self, id: str, *, force: bool = False) -> None:
        """Delete a task and what Redis holds of it. A running one is refused; ``force``: also a waiting one."""
        await self._plain("delete", id, "deleted", "1" if force else "", nonce())

    async def forget_kept(self, *, limit: int = 100) -> bool:
        """Delete up to ``limit`` ended tasks that were to be kept until now; true when there may be more."""
        keys, now = self._storage.keys, await server_time(self._storage)
        ids = await self._storage.command("ZRANGE", keys("kept"), "-inf", int(now * 1000), "BYSCORE", "LIMIT", 0, limit)
        for id in ids:
            await self._storage.script("delete", "", id, "kept", nonce())
        return len(ids) == limit

    async def clone(
        self,
        id: str,
        *,
        name: str | None = None,
        project: str | None = None,
        comment: str | None = None,
        parent: str | None = None,
    ) -> Task:
        """A draft with the same description and a new id; its parent is the source unless given.

        Raises TaskNotFound, UsageError for a call of a function that a worker runs: its arguments are no part of it.
        """
        source = await self.get(id)
        if source.spec.executor is ExecutorKind.FUNCTION and not source.spec.function.name:
            raise UsageError(
                f"Task {id} is a call of the function {source.spec.name}, which cannot be cloned: enqueue it "
                "from Python, or run one that failed again with `clearq task dead --requeue`."
            )
        changes = {"name": name, "project": project, "comment": comment, "parent": parent or id}
        updates = {field: value for field, value in changes.items() if value is not None}
        return await self.create(source.spec.model_copy(update=updates))

    async def set_progress(self, id: str, percent: int, text: str = "") -> None:
        """Percent done, 0 to 100, and a few words, for people to read; of those ``PROGRESS_TEXT`` characters in one
        line are kept. Raises TaskNotFound.
        """
        shown, percent = " ".join(text.split())[:PROGRESS_TEXT], max(0, min(100, int(percent)))
        words = ("0", "progress.text", shown) if shown else ("1", "progress.text")
        answer = await self._storage.script("note", id, *words, "progress", str(percent))
        if answer[0] == "missing":
            raise missing_task(id)

    async def set_log_url(self, id: str, url: str) -> None:
        """Where the whole log of an ended attempt lies. Raises TaskNotFound."""
        await self._note(id, "log.url", url)

    async def wait(self, id: str, timeout: float | None = None) -> Task:
        """Wait until the task has ended. Raises WaitTimeout after ``timeout`` seconds, TaskNotFound."""
        await until_ended(self._storage, id, timeout)
        return await self.get(id)

    async def _note(self, id: str, field: str, value: str | None) -> None:
        answer = await self._storage.script("note", id, *(("1", field) if value is None else ("0", field, value)))
        if answer[0] == "missing":
            raise missing_task(id)

    async def _plain(self, script: str, id: str, verb: str, *arguments: str) -> list[str]:
        answer: list[str] = await self._storage.script(script, "", id, *arguments)
        if answer[0] == "missing":
            raise missing_task(id)
        if answer[0] == "conflict":
            raise conflict(id, answer[1], verb)
        if answer[0] == "no_args":
            raise no_args(id, answer[1], verb)
        return answer


def _iso(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds(at), UTC).isoformat()
