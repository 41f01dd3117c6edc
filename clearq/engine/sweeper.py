"""The sweeper: blobs that nothing refers to any more, and tasks that were kept long enough, are deleted, a few at a
time, by one process for all.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from clearq.engine.blobs import FILE, Blob, Blobs, place_of
from clearq.engine.seat import Seat
from clearq.engine.tasks import Tasks
from clearq.errors import ArtifactError
from clearq.storage import Storage

log = logging.getLogger("clearq.sweeper")

#: Seconds between looks; until the seat is free when its holder is gone; between tries of those that have not got it.
INTERVAL = 10.0
SEAT = 30.0
TRY = 60.0


class Sweeper:
    """One process's share of the duty: :meth:`tick` every ten seconds."""

    def __init__(self, storage: Storage, blobs: Blobs, tasks: Tasks) -> None:
        self._settings = storage.settings
        self._blobs, self._tasks = blobs, tasks
        self._seat = Seat(storage, "sweeper", secrets.token_hex(6), SEAT)

    async def tick(self) -> float | None:
        """One slice; at once again when there is more."""
        if not await self._seat.keep():
            return TRY
        old = await self._tasks.forget_kept()
        more, files = await self._blobs.sweep()
        if files:
            await self._blobs.deleted(await asyncio.to_thread(self._delete, files))
        return 0.1 if more or old else None

    def _delete(self, files: list[Blob]) -> list[Blob]:
        """Those whose files are gone. The rest is tried again later, perhaps by a process with another store."""
        from clearq.artifacts import store_for

        gone: list[Blob] = []
        try:
            store = store_for(self._settings)
            here = place_of(store)
            for blob in files:
                if store.remove(blob.task, blob.name, FILE) or blob.place == here:
                    gone.append(blob)
        except ArtifactError as error:
            log.warning("%d payloads that are not needed any more cannot be deleted: %s", len(files) - len(gone), error)
        return gone
