"""Events: what happened to what, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator

from clearq.clock import seconds
from clearq.models.event import Event
from clearq.storage import Storage

_OWN = {"at", "name", "task", "queue", "worker", "status"}


class Events:
    """Read the stream that every change of state writes to."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def read(self, after: str = "0", *, count: int = 100, block: float | None = None) -> list[Event]:
        """Events after the given id (``0`` the oldest kept, ``$`` from now on).

        With ``block`` it waits up to that many seconds for the first one.
        """
        key = self._storage.keys("events")
        if block is None:
            if after == "$":
                return []
            entries = await self._storage.command("XRANGE", key, f"({after}", "+", "COUNT", count)
        else:
            arguments = ("XREAD", "COUNT", count, "BLOCK", int(block * 1000), "STREAMS", key, after)
            answer = await self._storage.wait_for(*arguments, timeout=block)
            entries = answer[0][1] if answer else []
        return [_decode(id, fields) for id, fields in entries]

    async def last_id(self) -> str:
        """Id of the newest event, to read on from."""
        entries = await self._storage.command("XREVRANGE", self._storage.keys("events"), "+", "-", "COUNT", 1)
        return entries[0][0] if entries else "0"

    async def follow(self, after: str = "$") -> AsyncIterator[Event]:
        """Events as they come, for ever."""
        if after == "$":
            after = await self.last_id()
        while True:
            for event in await self.read(after, block=30.0) or await self.read(after):
                after = event.id
                yield event


def _decode(id: str, fields: dict[str, str]) -> Event:
    return Event(
        id=id,
        at=seconds(fields["at"]),
        name=fields["name"],
        task=fields.get("task", ""),
        queue=fields.get("queue", ""),
        worker=fields.get("worker", ""),
        status=fields.get("status", ""),
        details={name: value for name, value in fields.items() if name not in _OWN and value},
    )
