"""Limits by key: their sizes, which belong to a queue, and what is taken of them."""

from __future__ import annotations

import builtins
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import quote

from clearq.engine.answers import missing_queue
from clearq.errors import ConflictError, NotFoundError, UsageError
from clearq.models.limit import RATE, LimitKey, QueueLimit, Size
from clearq.storage import Storage

#: Keys that one round trip looks at.
SLICE = 500
#: Characters of a key's value; of a longer one a digest stands for the rest.
LONGEST = 200

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def limit_key(name: str, value: str = "") -> str:
    """The key of one value of a limit, for ``Call.extra["limits"]``. The sizes belong to the limit's name.

    Raises UsageError for a name that is not made of letters, digits, ``_``, ``.`` and ``-``.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"Limit name {name!r} is not usable: take 1 to 64 letters, digits, '_', '.' or '-'.")
    if not value:
        return name
    text = quote(value, safe="@:,;=+")
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}~{hashlib.sha256(value.encode()).hexdigest()[:32]}"
    return f"{name}:{text}"


class Limits:
    """Set, declare and list the limits of queues. Every ``queue`` may be a name or an id."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def set(self, queue: str, name: str, size: Size | None) -> Size | None:
        """Set how many permits each key of a limit has, by hand: it wins over what apps declare. None takes that off.

        Returns the size that holds: taken off, the declared one if there is one. A smaller size sends the worst of
        the waiting ones back; what runs goes on. Raises QueueNotFound, UsageError.
        """
        return await self._set(queue, name, size, "")

    async def declare(self, queue: str, name: str, size: Size) -> Size | None:
        """What a worker's app says: it holds unless a size was set by hand. Returns the size that holds.

        Raises QueueNotFound, UsageError.
        """
        return await self._set(queue, name, size, "app")

    async def remove(self, queue: str, name: str) -> None:
        """Forget a limit and its rate, also what apps declared; an app that still declares it brings it back.

        Raises QueueNotFound, NotFoundError when the queue has no such limit, ConflictError while tasks that bear it
        wait or run, or a rate's permits have not come back. ``queue`` is an id.
        """
        name = name.removesuffix(RATE)
        found = [limit for limit in await self.list(queue) if limit.name in (name, name + RATE)]
        if not found:
            raise NotFoundError(f"Queue {queue!r} has no limit {name!r}. `clearq queue limit {queue}` lists them.")
        taken, held = (sum(getattr(limit, what) for limit in found) for what in ("taken", "held"))
        if taken or held:
            raise ConflictError(
                f"Limit {name!r} of queue {queue!r} is in use (permits taken: {taken:,}, tasks held: {held:,}) by "
                "tasks that wait or run; a rate's permits until its time is over. Let them end, or clear the queue. "
                "A size set by hand is taken off with --off."
            )
        for limit in found:
            await self._set(queue, limit.name, None, "rm")

    async def _set(self, queue: str, name: str, size: Size | None, by: str) -> Size | None:
        limit_key(name)
        permits, _, ms = size.text.partition("/") if size is not None else ("", "", "")
        answer = await self._storage.script("queue_limit", "", queue, name, permits, ms, by)
        if answer[0] == "no_queue":
            raise missing_queue(queue, await self._storage.command("HKEYS", self._storage.keys("queues")))
        if answer[0] == "bad_size":
            raise UsageError(f"Limit {name!r} was refused: {permits or 'nothing'} is no number of permits.")
        return Size.stored(answer[2]) if answer[2] else None

    async def list(self, queue: str) -> builtins.list[QueueLimit]:
        """The limits of a queue by name, those without a size included as long as tasks have their keys.

        ``queue`` is an id.
        """
        keys = self._storage.keys
        fields: dict[str, str] = await self._storage.command("HGETALL", keys("queue", queue))
        counts = await self._counts(queue, fields)
        names = {name for field in fields if (name := _limit_of(field))} | {name for name, _ in counts}
        found = []
        for name in sorted(names):
            text, declared = fields.get(f"limit:{name}", ""), fields.get(f"limit.app:{name}", "")
            size = Size.stored(text) if text else None
            found.append(
                QueueLimit(
                    name=name,
                    permits=size and size.permits,
                    period=size and size.period,
                    by_hand=f"limit.hand:{name}" in fields,
                    declared=str(Size.stored(declared)) if declared else "",
                    **{what: counts[name, what] for what in ("keys", "taken", "full", "held")},
                )
            )
        return found

    async def _counts(self, queue: str, fields: dict[str, str]) -> Counter[tuple[str, str]]:
        """(limit name, what) to how many."""
        counts, seen = Counter[tuple[str, str]](), set[str]()
        async for key, taken, held in self._keys(queue):
            if key in seen or not (taken or held):
                continue
            seen.add(key)
            name = key.partition(":")[0]
            size = fields.get(f"limit:{name}", "").partition("/")[0]
            full = bool(size) and taken >= int(size)
            counts.update({(name, "keys"): 1, (name, "taken"): taken, (name, "full"): int(full), (name, "held"): held})
        return counts

    async def _keys(self, queue: str) -> AsyncIterator[tuple[str, int, int]]:
        """Each key with its permits taken and tasks held, perhaps twice."""
        keys, cursor = self._storage.keys, "0"
        while True:
            cursor, flat = await self._storage.command("HSCAN", keys("permits", queue), cursor, "COUNT", SLICE)
            taken = list(flat.items()) if isinstance(flat, dict) else list(zip(flat[::2], flat[1::2], strict=True))
            held = await self._storage.commands([("ZCARD", keys("limit.held", queue, key)) for key, _ in taken])
            for (key, count), waits in zip(taken, held, strict=True):
                yield key, max(0, int(count)), int(waits)
            if str(cursor) == "0":
                return

    async def any_held(self, queue: str) -> bool:
        """Does any task of a queue (its id) wait for a permit?"""
        async for _, _, held in self._keys(queue):
            if held:
                return True
        return False

    async def key(self, queue: str, key: str) -> LimitKey:
        """One key's permits; ``queue`` is an id."""
        keys, name = self._storage.keys, key.partition(":")[0]
        size, taken, held = await self._storage.commands(
            [
                ("HGET", keys("queue", queue), f"limit:{name}"),
                ("HGET", keys("permits", queue), key),
                ("ZCARD", keys("limit.held", queue, key)),
            ]
        )
        given = Size.stored(size) if size else None
        return LimitKey(
            key=key,
            permits=given and given.permits,
            period=given and given.period,
            taken=max(0, int(taken or 0)),
            held=int(held),
        )


def _limit_of(field: str) -> str:
    """The limit that a field of the queue's hash belongs to."""
    for prefix in ("limit:", "limit.app:"):
        if field.startswith(prefix):
            return field.removeprefix(prefix)
    return ""
