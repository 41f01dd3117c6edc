"""Finding tasks: the newest change first, in slices, so that a short list costs little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from clearq.engine import codec
from clearq.engine.answers import missing_task
from clearq.errors import ConflictError
from clearq.models.task import Task
from clearq.storage import Storage

_SLICE = 200
_TESTED = ("status", "project", "name", "tags", "type", "archived")


@dataclass(frozen=True)
class TaskFilter:
    """All that is given must match."""

    project: str | None = None
    name: str | None = None
    tags: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    archived: bool | None = False

    def matches(self, fields: Mapping[str, str | None]) -> bool:
        """Does a task with these hash fields match?"""
        return (
            (self.archived is None or bool(fields["archived"]) == self.archived)
            and (self.project is None or (fields["project"] or "") == self.project)
            and (self.name is None or (fields["name"] or "") == self.name)
            and (not self.statuses or (fields["status"] or "queued") in self.statuses)
            and (not self.types or fields["type"] in self.types)
            and (not self.tags or self.tags <= set(orjson.loads(fields["tags"] or "[]")))
        )


async def search(storage: Storage, wanted: TaskFilter, limit: int) -> list[Task]:
    """Up to ``limit`` tasks that match."""
    found: list[Task] = []
    seen: set[str] = set()  # a change between two slices moves others down into the next one
    offset = 0
    while len(found) < limit:
        ids = await storage.command("ZREVRANGE", storage.keys("changed"), offset, offset + _SLICE - 1)
        if not ids:
            break
        offset += len(ids)
        ids = [id for id in ids if id not in seen]
        seen.update(ids)
        rows = await storage.commands([("HMGET", storage.keys("t", id), *_TESTED) for id in ids])
        hits = [id for id, row in zip(ids, rows, strict=True) if wanted.matches(dict(zip(_TESTED, row, strict=True)))][
            : limit - len(found)
        ]
        hashes = await storage.commands([("HGETALL", storage.keys("t", id)) for id in hits])
        found += [codec.decode_task(id, fields) for id, fields in zip(hits, hashes, strict=True) if "name" in fields]
    return found


async def resolve(storage: Storage, text: str) -> str:
    """A full id from itself, or from a beginning or an end (4 characters or more) that only one task has.

    Ids begin with their time, so that the ends of neighbours differ sooner: tables show those.
    """
    if await storage.command("EXISTS", storage.keys("t", text)):
        return text
    found = await _ids_with(storage, text) if len(text) >= 4 else set()
    if not found:
        raise missing_task(text)
    if len(found) > 1:
        raise ConflictError(f"{text!r} stands for {len(found)} tasks; give more of the id.")
    return found.pop()


async def _ids_with(storage: Storage, text: str) -> set[str]:
    """Ids that begin or end with ``text``; the server filters, so that a million tasks do not travel."""
    key, cursor, found = storage.keys("changed"), "0", set[str]()
    pattern = "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in text)
    while True:
        cursor, entries = await storage.command("ZSCAN", key, cursor, "MATCH", f"*{pattern}*", "COUNT", 5000)
        ids = [entry[0] if isinstance(entry, tuple) else entry for entry in entries]
        found |= {id for id in ids if id.startswith(text) or id.endswith(text)}
        if str(cursor) == "0":
            return found
