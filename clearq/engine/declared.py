"""Which functions the workers declare: asked by a worker that meets one which it does not know.

All workers of an app declare the same, and there may be a thousand of either. So a worker names the digest of its list,
and the list stands once, under that digest. Whoever asks reads each list once and afterwards only who is there.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from clearq.clock import seconds
from clearq.errors import StorageFull
from clearq.storage import Storage

log = logging.getLogger("clearq.declared")

#: Seconds that a list is kept after a worker has named it last, and after which each names its own again.
KEPT, AGAIN = 86_400, 600.0

#: Lists that are remembered: one for each version of each app.
MOST = 1000


@dataclass(frozen=True)
class Speaker:
    """A live worker of a lane."""

    label: str
    functions: frozenset[str] | None  #: ``None``: it does not say, for it is of an older version


class Present:
    """The live workers by lane (as ``lane_name`` says it), at one moment."""

    def __init__(self, count: int, lanes: Mapping[str, list[Speaker]]) -> None:
        self.count = count  #: live workers of all lanes
        self._lanes = lanes

    def of(self, lane: str) -> list[Speaker]:
        """Those who take from that lane."""
        return self._lanes.get(lane, [])


class Declared:
    """Say what this process's workers declare, and read what all do."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._said: dict[str, bytes] = {}
        self._lists: dict[str, frozenset[str]] = {}

    async def say(self, names: Iterable[str]) -> str:
        """Keep a list; answers its digest, to be registered as ``WorkerInfo.declares``.

        What a full server refuses is told to :meth:`repeat`. Raises StorageError otherwise.
        """
        text = orjson.dumps(sorted(set(names)))
        digest = hashlib.sha256(text).hexdigest()[:32]
        self._said[digest] = text
        try:
            await self._keep(digest, text)
        except StorageFull as error:
            log.warning("which functions this worker has is not known to others yet: %s", error)
        return digest

    async def repeat(self) -> None:
        """Say all of it again, so that it is kept. Raises StorageError."""
        for digest, text in self._said.items():
            await self._keep(digest, text)

    async def present(self, patience: float | None = None) -> Present:
        """Who is there and declares what; as many small reads as there are live workers, in one go.

        Raises StorageError; ``patience``: as long a silence of the server is waited for, in seconds.
        """
        keys, dead_after = self._storage.keys, self._storage.settings.dead_after
        (whole, _), scores = await self._storage.commands(
            [("TIME",), ("ZRANGE", keys("workers"), 0, -1, "WITHSCORES")], patience
        )
        beats = zip(scores[::2], scores[1::2], strict=True)
        ids = [id for id, beat in beats if int(whole) - seconds(str(int(float(beat)))) < dead_after]
        cards = [("HMGET", keys("worker", id), "label", "lanes", "declares") for id in ids]
        rows = await self._storage.commands(cards, patience)
        await self._read({digest for _, _, digest in rows if digest} - self._lists.keys(), patience)
        lanes: dict[str, list[Speaker]] = {}
        for id, (label, text, digest) in zip(ids, rows, strict=True):
            speaker = Speaker(label or id, self._lists.get(digest or ""))
            for lane in (text or "").split():
                lanes.setdefault(lane, []).append(speaker)
        return Present(len(ids), lanes)

    async def _read(self, digests: set[str], patience: float | None) -> None:
        if len(self._lists) + len(digests) > MOST:
            self._lists.clear()
        wanted = list(digests)
        calls = [("GET", self._storage.keys("declared", digest)) for digest in wanted]
        texts = await self._storage.commands(calls, patience)
        self._lists |= {
            digest: frozenset(orjson.loads(text)) for digest, text in zip(wanted, texts, strict=True) if text
        }

    async def _keep(self, digest: str, text: bytes) -> None:
        await self._storage.command("SET", self._storage.keys("declared", digest), text, "EX", KEPT)
