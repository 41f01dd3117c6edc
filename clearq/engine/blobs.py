"""Blobs: large payloads of tasks. The list of all, wherever they lie, and those that lie in Redis in chunks.

A blob is listed before its first byte is written, and taken off the list only when nothing refers to it: a task's
``args`` or ``result`` holds its name, or the attempt that is to report it still runs. So none is forgotten, and none
goes before what refers to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearq.errors import ArtifactFull, ArtifactMissing
from clearq.storage import Storage

if TYPE_CHECKING:
    from clearq.artifacts import ArtifactStore

#: Bytes of a chunk: as long as the server is kept from others by one.
CHUNK = 512 * 1024

#: Bytes of all chunks of a task.
TASK_BYTES = 32 * 1024 * 1024

#: Seconds that a blob may be on the list without anything that refers to it: an upload, and the call that follows.
GRACE = 3600.0

#: Seconds between two looks at one that is used.
LOOK = 600.0

#: Seconds after which a deletion is tried again by whoever comes.
AGAIN = 300.0

#: Looked at in one step.
SLICE = 100

#: Name of a blob's file in the artifact store.
FILE = "payload"

IN_REDIS = "r"


def place_of(store: ArtifactStore) -> str:
    """How the list names an artifact store."""
    return "s" + hashlib.sha256(store.url.encode()).hexdigest()[:8]


def full(size: int) -> ArtifactFull:
    """What to say when so many bytes do not fit into Redis."""
    return ArtifactFull(
        f"Redis keeps at most {TASK_BYTES // 1024**2} MB of artifacts and large payloads of a task, and this is one of "
        f"{size:,} bytes. Set CLEARQ_ARTIFACTS_URL to storage that all hosts share, such as s3://bucket/path or a "
        "mounted folder."
    )


@dataclass(frozen=True, slots=True)
class Blob:
    """One upload; its name is never used again."""

    task: str
    name: str  #: args.<nonce>, result.<fence> or artifact.<nonce>
    place: str = IN_REDIS  #: or, for a file, :func:`place_of` its store

    def __str__(self) -> str:
        return f"{self.task} {self.name} {self.place}"


class Blobs:
    """The list, and the chunks."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def expect(self, blobs: Iterable[Blob]) -> None:
        """Say that they are about to be stored, or (before ``GRACE`` is over) that they still are."""
        await self._storage.script("blob_list", "", "new", int(GRACE * 1000), *map(str, blobs))

    async def look_soon(self, blobs: Iterable[Blob], within: float = 0.0) -> None:
        """They may not be needed any more: have a look within so many seconds."""
        await self._storage.script("blob_list", "", "soon", int(within * 1000), *map(str, blobs))

    async def sweep(self) -> tuple[bool, list[Blob]]:
        """Look at those that are due: whether there may be more, and whose files are to be deleted.

        Chunks are gone already. Name files to :meth:`deleted` when they are.
        """
        answer = await self._storage.script("blob_sweep", "", SLICE, int(LOOK * 1000), int(AGAIN * 1000))
        files = []
        for text in answer[2:]:
            task, name, place = text.split(" ")
            files.append(Blob(task, name, place))
        return int(answer[1]) >= SLICE, files

    async def deleted(self, blobs: Iterable[Blob]) -> None:
        """Their files are gone."""
        names = [str(blob) for blob in blobs]
        if names:
            await self._storage.command("ZREM", self._storage.keys("blobs.dead"), *names)

    async def put(self, blob: Blob, data: bytes | memoryview) -> None:
        """Store it in chunks. Raises ArtifactFull when the task would have more than ``TASK_BYTES``."""
        for number, start in enumerate(range(0, len(data) or 1, CHUNK)):
            chunk = bytes(data[start : start + CHUNK])
            answer = await self._storage.hot("chunk_put", blob.task, blob.name, str(number), chunk, TASK_BYTES)
            if answer[0] == b"full":
                await self.drop(blob)
                raise full(len(data))

    async def get(self, blob: Blob) -> bytes:
        """Its bytes. Raises ArtifactMissing."""
        parts: list[bytes] = []
        while (answer := await self._storage.hot("chunk_get", blob.task, blob.name, str(len(parts))))[0] == b"chunk":
            parts.append(answer[1])
        if not parts:
            raise ArtifactMissing(f"{blob.name} of task {blob.task} is not in Redis (any more).")
        return b"".join(parts)

    async def drop(self, blob: Blob) -> None:
        """Delete its chunks."""
        keys = self._storage.keys
        await self._storage.commands(
            [
                ("UNLINK", keys("chunk", blob.task, blob.name)),
                ("HDEL", keys("chunks", blob.task), blob.name),
                ("ZREM", keys("blobs"), str(blob)),
            ]
        )
