"""Queues: ordered sets of task ids."""

from __future__ import annotations

import builtins
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from clearq.clock import seconds
from clearq.engine import codec
from clearq.engine.answers import missing_queue, missing_task, unexpected
from clearq.engine.fair import weight_words
from clearq.engine.ids import nonce
from clearq.engine.series import QueueSample, read_series
from clearq.errors import ConflictError, QueueExists, QueueNotEmpty, StatusConflict, UsageError
from clearq.models.queue import Pause, Place, Queue, slug
from clearq.models.task import Task
from clearq.storage import Storage


@dataclass
class _Listeners:
    """Live workers of a queue."""

    workers: int = 0
    agents: int = 0


class Queues:
    """Make, list, order, pause and clear queues. Every ``name`` may be a name or an id."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create(
        self, name: str, *, tags: Sequence[str] = (), fair: bool = False, weights: Mapping[str, int] | None = None
    ) -> Queue:
        """Make a queue. In a ``fair`` one the keys of its tasks take turns; a key with weight 3 gets three of them.

        Raises QueueExists when a queue has that name or id, UsageError.
        """
        if not name.strip():
            raise UsageError("A queue's name must not be empty.")
        if weights and not fair:
            raise UsageError("Weights are for the keys of a fair queue: create it with fair=True.")
        tag_list, marks = orjson.dumps(list(tags)).decode(), ["1" if fair else "", *weight_words(weights)]
        word, id = await self._storage.script("queue_create", "", name, slug(name), tag_list, nonce(), *marks)
        if word == "exists":
            raise QueueExists(f"Queue {name!r} exists already (id {id}).")
        return await self.get(id)

    async def list(self) -> builtins.list[Queue]:
        """All queues, by name."""
        ids = await self._storage.command("HVALS", self._storage.keys("queues"))
        listeners = await self._listeners()
        queues = [await self._read(id, listeners) for id in ids]
        return sorted((queue for queue in queues if queue), key=lambda queue: queue.name)

    async def get(self, name: str) -> Queue:
        """One queue. Raises QueueNotFound with a list of those there are."""
        id = await self.resolve(name)
        queue = await self._read(id, await self._listeners())
        if queue is None:
            raise await self._missing(name)
        return queue

    async def resolve(self, name: str) -> str:
        """A queue's id from its name or id."""
        keys = self._storage.keys
        by_name, by_id = await self._storage.commands([("HGET", keys("queues"), name), ("EXISTS", keys("queue", name))])
        if by_name:
            return str(by_name)
        if by_id and name:
            return name
        raise await self._missing(name)

    async def successors(self, names: Mapping[str, str]) -> dict[str, str]:
        """Of those ids (each with the name that somebody knows it by) that are gone: the id that has the name now."""
        keys, ids = self._storage.keys, list(names)
        found = await self._storage.command("HMGET", keys("queues"), *names.values())
        others = [(old, new) for old, new in zip(ids, found, strict=True) if new and new != old]
        left = await self._storage.commands([("EXISTS", keys("queue", old)) for old, _ in others])
        return {old: new for (old, new), there in zip(others, left, strict=True) if not there}

    async def _missing(self, name: str) -> Exception:
        return missing_queue(name, await self._storage.command("HKEYS", self._storage.keys("queues")))

    async def _listeners(self) -> dict[str, _Listeners]:
        """Who listens to each queue, of the living."""
        keys = self._storage.keys
        workers = await self._storage.command("ZRANGE", keys("workers"), 0, -1)
        rows = await self._storage.commands([("HGET", keys("worker", id), "lanes") for id in workers])
        counts = defaultdict[str, _Listeners](_Listeners)
        for row in rows:
            lanes = set((row or "").split())
            for queue in {lane.partition(":")[2] for lane in lanes}:
                counts[queue].workers += 1
                counts[queue].agents += f"q:{queue}" in lanes
        return counts

    async def _read(self, id: str, listeners: Mapping[str, _Listeners]) -> Queue | None:
        keys = self._storage.keys
        fields: dict[str, str] = await self._storage.command("HGETALL", keys("queue", id))
        if not fields:
            return None
        kinds = ["q", "fn", *(f"fn.{app}" for app in fields.get("apps", "").split())]
        answers = await self._storage.commands(
            [call for kind in kinds for call in (("ZCARD", keys(kind, id)), ("ZRANGE", keys(kind, id), 0, 0))]
        )
        heads = [head[0] for head in answers[1::2] if head]
        times = await self._storage.commands([("HMGET", keys("t", head), "enqueued", "ready") for head in heads])
        waits = [max(seconds(at) for at in pair if at) for pair in times if any(pair)]
        return decode_queue(
            id,
            fields,
            waiting=sum(answers[::2]),
            for_agents=answers[0],
            listeners=listeners.get(id),
            oldest=min(waits, default=None),
        )

    async def delete(self, name: str, *, force: bool = False) -> None:
        """Delete a queue. Refused while tasks wait, are delayed or run in it; ``force`` clears it first."""
        if force:
            await self.clear(name)
        answer = await self._storage.script("queue_delete", "", name, nonce())
        if answer[0] == "no_queue":
            raise await self._missing(name)
        if answer[0] == "not_empty":
            _, _, waiting, delayed, running = answer
            raise QueueNotEmpty(
                f"Queue {name!r} still has {waiting} waiting, {delayed} delayed and {running} running tasks. "
                "Clear it (force does) and let the running ones end, or stop them."
            )

    async def rename(self, name: str, new: str) -> Queue:
        """Give a queue another name; its id stays."""
        if not new.strip():
            raise UsageError("A queue's name must not be empty.")
        return await self._update(name, new, "")

    async def set_tags(self, name: str, tags: Sequence[str]) -> Queue:
        """Replace a queue's tags."""
        return await self._update(name, "", orjson.dumps(list(tags)).decode())

    async def _update(self, name: str, new: str, tags: str) -> Queue:
        id = await self.resolve(name)  # by its id a repeat finds the queue again
        answer = await self._storage.script("queue_update", "", id, new, tags)
        if answer[0] == "no_queue":
            raise await self._missing(name)
        if answer[0] == "exists":
            raise QueueExists(f"Another queue is called {new!r} (id {answer[1]}).")
        return await self.get(answer[1])

    async def waiting(self, name: str, *, offset: int = 0, limit: int = 100) -> builtins.list[Task]:
        """The waiting tasks in the order in which they will be taken."""
        keys, id = self._storage.keys, await self.resolve(name)
        kinds = ["q", "fn"]
        apps = await self._storage.command("HGET", keys("queue", id), "apps")
        kinds += [f"fn.{app}" for app in (apps or "").split()]
        rows = await self._storage.commands(
            [("ZRANGE", keys(kind, id), 0, offset + limit - 1, "WITHSCORES") for kind in kinds]
        )
        scored = [(float(row[i + 1]), row[i]) for row in rows for i in range(0, len(row), 2)]
        ids = [task_id for _, task_id in sorted(scored)[offset : offset + limit]]
        hashes = await self._storage.commands([("HGETALL", keys("t", task_id)) for task_id in ids])
        return [codec.decode_task(id, fields) for id, fields in zip(ids, hashes, strict=True) if fields]

    async def position(self, task_id: str) -> tuple[str, int] | None:
        """Queue id and index (0 is the head) of a waiting task; None when it does not wait in a lane."""
        answer = await self._storage.script("position", task_id)
        if answer[0] == "missing":
            raise missing_task(task_id)
        return (answer[1], int(answer[2])) if answer[0] == "waiting" else None

    async def move(self, name: str, task_id: str, place: Place) -> int | None:
        """Give a waiting task another place; returns its new index, None for one that is not due yet.

        Its priority stays. Raises TaskNotFound, QueueNotFound, StatusConflict.
        """
        how, argument = _place(place)
        answer = await self._storage.script("move", "", name, task_id, how, argument, nonce())
        match answer[0]:
            case "moved":
                return int(answer[1]) if answer[1] != "" else None
            case "no_queue":
                raise await self._missing(name)
            case "missing":
                raise missing_task(task_id)
            case "elsewhere":
                where = f"waits in queue {answer[2]!r}" if answer[1] == "queued" else f"is {answer[1]}"
                raise StatusConflict(f"Task {task_id} does not wait in queue {name!r}: it {where}.")
            case "anchor":
                raise ConflictError(f"Task {argument} does not wait in queue {name!r}: choose another anchor.")
        raise unexpected("move", answer)

    async def clear(self, name: str, told: Callable[[int], object] = lambda _: None) -> int:
        """Take every waiting and delayed task out; they are drafts again. Returns how many.

        A long queue takes many steps: after each, ``told`` gets the number so far.
        """
        total, begin, request = 0, "1", nonce()
        while True:
            answer: builtins.list[Any] = await self._storage.script("queue_clear", "", name, begin, request)
            if answer[0] == "no_queue":
                raise await self._missing(name)
            total = max(total, int(answer[2]))  # somebody else may have done the end of it
            if answer[0] == "cleared":
                return total
            told(total)
            begin = ""

    async def pause(self, name: str, *, by: str, why: str = "") -> Queue:
        """Stop serving a queue; what runs goes on."""
        answer = await self._storage.script("queue_pause", "", name, by, why)
        if answer[0] == "no_queue":
            raise await self._missing(name)
        return await self.get(answer[1])

    async def resume(self, name: str) -> Queue:
        """Serve a queue again."""
        answer = await self._storage.script("queue_resume", "", name)
        if answer[0] == "no_queue":
            raise await self._missing(name)
        return await self.get(answer[1])

    async def history(self, name: str, *, since: float = 3600.0) -> builtins.list[QueueSample]:
        """Samples of the last ``since`` seconds, oldest first."""
        id = await self.resolve(name)
        return await read_series(self._storage, self._storage.keys("series", "queue", id), QueueSample, since)


def decode_queue(
    id: str,
    fields: dict[str, str],
    *,
    waiting: int,
    for_agents: int = 0,
    listeners: _Listeners | None = None,
    oldest: float | None = None,
) -> Queue:
    """A queue from its hash and what was counted."""
    pause = None
    if "paused" in fields:
        pause = Pause(by=fields.get("paused_by", ""), why=fields.get("paused_why", ""), at=seconds(fields["paused"]))
    return Queue(
        id=id,
        name=fields.get("name", id),
        tags=tuple(orjson.loads(fields.get("tags", "[]"))),
        pause=pause,
        created=seconds(fields["created"]) if "created" in fields else None,
        rev=int(fields.get("rev", "0")),
        waiting=waiting,
        delayed=int(fields.get("delayed", "0")),
        held=max(0, int(fields.get("held", "0"))),
        running=int(fields.get("running", "0")),
        fair="fair" in fields,
        for_agents=for_agents,
        workers=listeners.workers if listeners else 0,
        agents=listeners.agents if listeners else 0,
        oldest=oldest,
    )


def _place(place: Place) -> tuple[str, str]:
    given = [(name, value) for name, value in place if value is not None and value is not False]
    if len(given) != 1:
        raise UsageError("Say one place: front, back, up, down, to, before or after.")
    name, value = given[0]
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        raise UsageError(f"{name} {value}: the number must not be negative.")
    return name, "" if value is True else str(value)
