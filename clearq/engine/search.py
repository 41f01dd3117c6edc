"""Finding tasks: the newest change first, in slices, so that a short list costs little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from clearq.engine import codec
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
