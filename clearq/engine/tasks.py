"""Tasks: what their authors can do with them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Literal

from clearq.clock import milliseconds, seconds
from clearq.engine import codec
from clearq.engine.answers import conflict, missing_queue, missing_task, not_fair, stale, unexpected
from clearq.engine.fair import checked_key
from clearq.engine.ids import new_id, nonce
from clearq.engine.search import TaskFilter, search
from clearq.errors import (
    ConflictError,
    StatusConflict,
    StorageUnavailable,
    TaskNotFound,
    UsageError,
    WaitTimeout,
)
from clearq.models.attempt import EnqueueResponse
from clearq.models.queue import slug
from clearq.models.status import Status
from clearq.models.task import Task, TaskSpec, TaskType
from clearq.storage import Storage

#: Seconds an idempotency key is kept when nothing else is said.
KEY_LIFETIME = 86_400.0

#: Characters of the words that go with a task's progress.
PROGRESS_TEXT = 200

#: Seconds after which a waiting client asks again even if no bell rang.
_LOOK_AGAIN = 30.0


class Tasks:
    """Create, find, edit, enqueue, stop and wait."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create(self, spec: TaskSpec, *, id: str | None = None) -> Task:
        """Write a draft (status ``created``). Raises ConflictError when ``id`` is taken."""
        task_id = id or new_id()
        fields = codec.encode_spec(spec)
        answer = await self._storage.script("create", "", task_id, nonce(), *_flat(fields))
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
        answer = await self._enqueue(task_id, queue, priority, delay, due, key, flags, fields)
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
        answer = await self._enqueue(id, queue, priority, delay, due, key, flags, {})
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

    async def _enqueue(
        self,
        task_id: str,
        queue: str,
        priority: int | None,
        delay: float | None,
        due: float | None,
        key: str | None,
        flags: str,
        fields: dict[str, str],
    ) -> list[str]:
        if priority is not None and not -1000 <= priority <= 1000:
            raise UsageError(f"Priority {priority} is out of range: it goes from -1000 to 1000, higher first.")
        if delay is not None and due is not None:
            raise UsageError("Give delay or due, not both.")
        answer: list[str] = await self._storage.script(
            "enqueue",
            "",
            task_id,
            queue,
            "" if priority is None else str(priority),
            "" if delay is None else str(milliseconds(max(delay, 0.0))),
            "" if due is None else str(milliseconds(due)),
            nonce(),
            flags,
            slug(queue),
            key or "",
            str(milliseconds(KEY_LIFETIME)),
            *_flat(fields),
        )
        match answer[0]:
            case "queued" | "duplicate" | "exists":
                return answer
            case "no_queue":
                raise missing_queue(queue, await self._storage.command("HKEYS", self._storage.keys("queues")))
            case "missing":
                raise missing_task(task_id)
            case "not_fair":
                raise not_fair(answer[1])
            case "conflict":
                raise conflict(task_id, answer[1], "enqueued")
        raise unexpected("enqueue", answer)

    async def get(self, id: str) -> Task:
        """The task as it is now. Raises TaskNotFound."""
        fields = await self._storage.command("HGETALL", self._storage.keys("t", id))
        if not fields:
            raise missing_task(id)
        return codec.decode_task(id, fields)

    async def resolve(self, text: str) -> str:
        """A full id from itself, or from a beginning or an end (4 characters or more) that only one task has.

        Ids begin with their time, so that the ends of neighbours differ sooner: tables show those.
        """
        if await self._storage.command("EXISTS", self._storage.keys("t", text)):
            return text
        found: set[str] = set()
        if len(text) >= 4:
            found = await self._ids_with(text)
        if not found:
            raise missing_task(text)
        if len(found) > 1:
            raise ConflictError(f"{text!r} stands for {len(found)} tasks; give more of the id.")
        return found.pop()

    async def _ids_with(self, text: str) -> set[str]:
        """Ids that begin or end with ``text``; the server filters, so that a million tasks do not travel."""
        key, cursor, found = self._storage.keys("changed"), "0", set[str]()
        pattern = "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in text)
        while True:
            cursor, entries = await self._storage.command("ZSCAN", key, cursor, "MATCH", f"*{pattern}*", "COUNT", 5000)
            ids = [entry[0] if isinstance(entry, tuple) else entry for entry in entries]
            found |= {id for id in ids if id.startswith(text) or id.endswith(text)}
            if str(cursor) == "0":
                return found

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
        while True:
            before = await self._storage.command("HGETALL", self._storage.keys("t", id))
            if not before:
                raise missing_task(id)
            after = codec.encode_spec(change(codec.decode_spec(before)))
            gone = [name for name in before if codec.is_spec_field(name) and name not in after]
            fields = {name: value for name, value in after.items() if before.get(name) != value}
            arguments = [id, before.get("rev", "0"), fence or "", "1" if force else "", str(len(gone)), *gone]
            answer = await self._storage.script("edit", "", *arguments, *_flat(fields))
            match answer[0]:
                case "edited":
                    return await self.get(id)
                case "moved":
                    continue
                case "missing":
                    raise missing_task(id)
                case "stale":
                    raise stale(id, fence or "")
                case "conflict":
                    raise conflict(id, answer[1], "edited")
            raise unexpected("edit", answer)

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

    async def clone(
        self,
        id: str,
        *,
        name: str | None = None,
        project: str | None = None,
        comment: str | None = None,
        parent: str | None = None,
    ) -> Task:
        """A draft with the same description and a new id; its parent is the source unless given."""
        source = await self.get(id)
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
        client = f"client.{secrets.token_hex(8)}"
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            answer = await self._storage.script("wait", id, client)
            if answer[0] == "missing":
                raise missing_task(id)
            if answer[0] == "ended":
                return await self.get(id)
            left = _LOOK_AGAIN if deadline is None else min(_LOOK_AGAIN, deadline - time.monotonic())
            if left <= 0:
                raise WaitTimeout(f"Task {id} is still {answer[1]} after {timeout:.3g} s.")
            try:
                await self._storage.block("BLPOP", self._storage.keys("bell", client), max(left, 0.01), timeout=left)
            except StorageUnavailable:
                await asyncio.sleep(min(left, 0.1))  # asking again has the patience for a server that is away

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
        return answer


def _flat(fields: dict[str, str]) -> list[str]:
    return [text for pair in fields.items() for text in pair]


def _iso(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds(at), UTC).isoformat()


__all__ = ["TaskNotFound", "Tasks"]
