"""Large arguments and results: stored aside, and in the task a small reference in their place.

They go to the artifact store; where none is set (a remote server alone) to Redis in chunks, which has little room.
A reference names the blob with its size and hash. It cannot be taken for a payload: neither JSON nor a signed pickle
begins like it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from clearq.clock import boottime
from clearq.engine.blobs import FILE, GRACE, IN_REDIS, Blob, place_of
from clearq.engine.calls import Call
from clearq.errors import ArtifactError, ArtifactFull, ArtifactMissing, PayloadError, StorageError
from clearq.models.ids import nonce

if TYPE_CHECKING:
    from clearq.artifacts import ArtifactStore
    from clearq.engine import Engine

#: What a reference begins with.
MARK = b"\x00r1"

#: Bytes of arguments or of a result: they are held in memory on both sides.
MOST = 1024**3

#: Uploads of one call of ``enqueue_many`` at a time.
SIDE_BY_SIDE = 4


class Payloads:
    """Stores and reads what is too large to travel. Blocking work is done in threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.inline = engine.storage.settings.payload_inline_bytes  #: bytes that travel within the task

    async def aside(self, calls: Sequence[Call]) -> list[Call]:
        """The calls with their arguments stored. Raises PayloadError, ArtifactError, StorageError."""
        began, room = boottime(), asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(call: Call) -> Call:
            async with room:
                name = f"args.{nonce()}"
                return call._replace(args=await self.keep(call.id, name, call.args, f"arguments of {call.fn}"))

        moved = await asyncio.gather(*(one(call) for call in calls))
        took = boottime() - began
        if took > GRACE / 2:
            if took > GRACE * 0.9:
                raise ArtifactError(f"Storing the arguments took {took:.0f} s, too long: enqueue fewer at once.")
            await self._engine.blobs.expect(filter(None, (blob_of(call.args) for call in moved)))
        return moved

    async def unused(self, *payloads: bytes) -> None:
        """They may not be needed any more; payloads that travelled are passed over."""
        await self.look_at([blob for data in payloads if (blob := blob_of(data)) is not None])

    async def look_at(self, blobs: Sequence[Blob], within: float = 0.0) -> None:
        """Let the sweeper look at them within so many seconds. When that fails, it does so within the hour."""
        if blobs:
            with contextlib.suppress(StorageError):
                await self._engine.blobs.look_soon(blobs, within)

    async def keep(self, task: str, name: str, data: bytes, what: str) -> bytes:
        """Store a payload; the reference to it. Raises PayloadError (no room), ArtifactError, StorageError."""
        if len(data) > MOST:
            raise PayloadError(
                f"The {what} cannot travel: {len(data):,} bytes are more than the {MOST:,} that clearq passes on. "
                "Store that yourself (an artifact, a file, a table) and pass where it lies."
            )
        store = self._store()
        blob = Blob(task, name, place_of(store) if store is not None else IN_REDIS)
        await self._engine.blobs.expect([blob])
        try:
            if store is None:
                await self._engine.blobs.put(blob, data)
                digest, at = await asyncio.to_thread(_digest, data), "Redis"
            else:
                stored = await asyncio.to_thread(store.put, data, task, name, file_name=FILE)
                digest, at = stored.hash, store.url
        except ArtifactFull as error:
            raise PayloadError(f"The {what} cannot be stored. {error}") from error
        except BaseException:
            await self.look_at([blob])
            raise
        entry = {"task": task, "name": name, "place": blob.place, "size": len(data), "sha256": digest, "at": at}
        return MARK + orjson.dumps(entry)

    async def open(self, data: bytes, what: str) -> bytes:
        """The payload: itself, or what the reference names.

        Raises PayloadError (it is gone, or was changed), ArtifactError and StorageError (it could not be read now).
        """
        if not data.startswith(MARK):
            return data
        entry = _entry(data, what)
        blob = Blob(entry["task"], entry["name"], entry["place"])
        try:
            found = await self._read(blob, entry["at"], what)
        except ArtifactMissing as error:
            raise PayloadError(f"The {what} cannot be read any more: {error}{self._elsewhere(entry['at'])}") from error
        if len(found) != entry["size"] or await asyncio.to_thread(_digest, found) != entry["sha256"]:
            raise PayloadError(f"The {what} cannot be used: what was stored in {entry['at']} has been changed.")
        return found

    async def _read(self, blob: Blob, at: str, what: str) -> bytes:
        if blob.place == IN_REDIS:
            return await self._engine.blobs.get(blob)
        store = self._store()
        if store is None:
            raise PayloadError(
                f"The {what} cannot be read: stored in {at}, and this process knows no artifact store. Set "
                "CLEARQ_ARTIFACTS_URL to the same storage wherever tasks are enqueued, run and awaited."
            )
        return await asyncio.to_thread(store.read, blob.task, blob.name, FILE)

    def _elsewhere(self, at: str) -> str:
        store = self._store()
        if at == "Redis" or store is None or store.url == at:
            return ""
        return (
            f" It was stored in {at}: set CLEARQ_ARTIFACTS_URL to the same storage wherever tasks are enqueued, "
            "run and awaited."
        )

    def _store(self) -> ArtifactStore | None:
        from clearq.artifacts import has_store, store_for
        from clearq.storage.memory import MemoryStorage

        storage = self._engine.storage
        if isinstance(storage, MemoryStorage) or not has_store(storage.settings):
            return None
        return store_for(storage.settings)


def blob_of(data: bytes) -> Blob | None:
    """The blob that a reference names; None for a payload that travelled."""
    if not data.startswith(MARK):
        return None
    try:
        entry = _entry(data, "payload")
    except PayloadError:
        return None  # whoever opens it will hear of it
    return Blob(entry["task"], entry["name"], entry["place"])


def describe(data: bytes) -> tuple[int, str]:
    """Bytes of a payload, and where it lies (empty: in the task)."""
    if not data.startswith(MARK):
        return len(data), ""
    entry = _entry(data, "payload")
    return int(entry["size"]), str(entry["at"])


def _entry(data: bytes, what: str) -> dict[str, Any]:
    try:
        entry = orjson.loads(data[len(MARK) :])
        if all(isinstance(entry[name], str) for name in ("task", "name", "place", "sha256", "at")):
            return dict(entry)
    except (ValueError, TypeError, KeyError):
        pass
    raise PayloadError(f"The reference to the {what} cannot be read.")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
