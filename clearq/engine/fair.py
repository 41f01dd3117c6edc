"""Fair queues: the keys of their tasks take turns."""

from __future__ import annotations

from collections.abc import Mapping

from clearq.engine.answers import missing_queue
from clearq.errors import QueueNotEmpty, UsageError
from clearq.models.queue import FairKey
from clearq.storage import Storage

#: Turns that a key may have for one of another key.
MOST_WEIGHT = 1000

#: Characters of a key.
LONGEST_KEY = 200


class Fair:
    """The engine's verbs for fair queues. Every ``queue`` may be a name or an id."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def set(self, queue: str, fair: bool | None = None, *, weights: Mapping[str, int] | None = None) -> None:
        """Let the keys of a queue take turns, or no more; None leaves that as it is and sets ``weights`` only.

        A key with weight 3 gets three turns for one of a key with weight 1, the usual one. Weights hold for what is
        enqueued from now on. Raises QueueNotFound, QueueNotEmpty (the order changes only while nothing waits),
        UsageError.
        """
        wanted = "" if fair is None else "1" if fair else "0"
        answer = await self._storage.script("queue_fair", "", queue, wanted, *weight_words(weights))
        match answer[0]:
            case "no_queue":
                raise await self._missing(queue)
            case "not_empty":
                raise QueueNotEmpty(
                    f"{answer[2]} tasks wait in queue {queue!r} in the order it has now. Let them run, or clear it,"
                    f" before it becomes {'fair' if fair else 'ordinary'}."
                )
            case "not_fair":
                raise UsageError(f"Weights are for fair queues. Make it one first: clearq queue fair {queue!r} --on")

    async def keys(self, queue: str) -> list[FairKey]:
        """The keys that have tasks waiting, or a weight of their own; most waiting first."""
        keys = self._storage.keys
        id = await self._storage.command("HGET", keys("queues"), queue) or queue
        waiting: dict[str, int] = {}
        weights: dict[str, int] = {}
        cursor = "0"
        while True:
            cursor, flat = await self._storage.command("HSCAN", keys("fair", id), cursor, "COUNT", 1000)
            for field, text in flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True):
                book = {"k:": waiting, "w:": weights}.get(field[:2])
                if book is not None:
                    book[field[2:]] = int(text.split()[0])
            if str(cursor) == "0":
                break
        found = [
            FairKey(key=key, waiting=waiting.get(key, 0), weight=weights.get(key, 1)) for key in {**waiting, **weights}
        ]
        return sorted((each for each in found if each.waiting or each.weight > 1), key=lambda e: (-e.waiting, e.key))

    async def _missing(self, queue: str) -> Exception:
        return missing_queue(queue, await self._storage.command("HKEYS", self._storage.keys("queues")))


def checked_key(key: str, what: str = "fair") -> str:
    """The same key. Raises UsageError for one that is too long."""
    if len(key) > LONGEST_KEY:
        raise UsageError(f"{what}: the key {key[:30]!r}... is {len(key)} characters long; {LONGEST_KEY} are the most.")
    return key


def weight_words(weights: Mapping[str, int] | None) -> list[str]:
    """As scripts take them. Raises UsageError."""
    flat = []
    for key, weight in (weights or {}).items():
        if not 1 <= weight <= MOST_WEIGHT:
            raise UsageError(
                f"Weight {weight} of key {key!r} is out of range: it is a whole number from 1 to {MOST_WEIGHT}."
            )
        flat += [checked_key(key, "weights"), str(weight)]
    return flat
