"""Entries of artifacts: what lies where. The files themselves are in the artifact store."""

from __future__ import annotations

import orjson

from clearq.engine.answers import missing_task, stale
from clearq.models.event import ArtifactInfo
from clearq.storage import Storage


class Artifacts:
    """The list of a task's artifacts."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def put(self, task_id: str, info: ArtifactInfo, *, fence: str | None = None) -> None:
        """Add or replace an entry. Raises TaskNotFound, Stale for an old fence."""
        held = await self._storage.command("HMGET", self._storage.keys("t", task_id), "status", "fence")
        if held[0] is None:
            raise missing_task(task_id)
        if fence and held[1] != fence:
            raise stale(task_id, fence)
        key = self._storage.keys("artifacts", task_id)
        await self._storage.command("HSET", key, info.name, info.model_dump_json(exclude={"name"}))

    async def list(self, task_id: str) -> dict[str, ArtifactInfo]:
        """Name to entry."""
        entries = await self._storage.command("HGETALL", self._storage.keys("artifacts", task_id))
        return {
            name: ArtifactInfo.model_validate({**orjson.loads(text), "name": name}) for name, text in entries.items()
        }

    async def remove(self, task_id: str, name: str) -> bool:
        """Forget an entry; False when there was none."""
        return bool(await self._storage.command("HDEL", self._storage.keys("artifacts", task_id), name))
