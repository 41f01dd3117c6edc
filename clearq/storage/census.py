"""Counting what a namespace holds, and whether every task stands where it must.

The first pass reads in slices while everything goes on, so it sees tasks on their way; whatever looks odd is then
looked at again, all of its places in one atomic step.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from clearq.storage.connection import Storage
from clearq.storage.permits import Permits, recount
from clearq.storage.table import row_of

#: Commands in one round trip.
SLICE = 500
#: Tasks looked at in one atomic step.
LOOK = 50

Progress = Callable[[int], None]

_FIELDS = ("status", "fence", "queue", "created", "waits", "limits", "held", "kept", "spent")


@dataclass
class Census:
    """What was found. Keys are named without their ``{namespace}:`` tag."""

    keys: Counter[str] = field(default_factory=Counter)  #: pattern -> number of keys
    unknown: list[str] = field(default_factory=list)  #: keys outside the table
    mistyped: list[tuple[str, str, str]] = field(default_factory=list)  #: key, its type, the table's type
    tasks: Counter[str] = field(default_factory=Counter)  #: status -> number of tasks
    misplaced: list[tuple[str, str]] = field(default_factory=list)  #: task id, what is wrong
    permits: list[tuple[str, str]] = field(default_factory=list)  #: limit key and its queue, what is wrong


@dataclass(frozen=True)
class Standing:
    """One task and every place that holds it, seen in one step."""

    status: str  #: ``missing`` when there is no such task
    fence: str
    queue: str
    places: tuple[
        str, ...
    ]  #: ``q:default``, ``delayed``, ``limit.held:default:<key>``, ``parents``, ``lost``, ``own:<holder> <fence>``

    def fault(self) -> str | None:
        """What breaks the rule: queued in one place, in progress with one holder or lost, else nowhere."""
        where = " and ".join(self.places) or "nowhere"
        if self.status == "queued":
            right = len(self.places) == 1 and self._waits(self.places[0])
            return None if right else f"queued in {self.queue or 'no queue'}, but it stands in {where}"
        if self.status == "in_progress":
            right = len(self.places) == 1 and self._held(self.places[0])
            return None if right else f"in progress with fence {self.fence or '-'}, but it stands in {where}"
        return f"{self.status}, but it stands in {where}" if self.places else None

    def _waits(self, place: str) -> bool:
        head, _, queue = place.partition(":")
        if head == "limit.held":
            queue = queue.partition(":")[0]
        return place in ("delayed", "parents") or (head != "own" and queue == self.queue)

    def _held(self, place: str) -> bool:
        return place == "lost" or (place.startswith("own:") and place.rpartition(" ")[2] == self.fence)


async def take(storage: Storage, progress: Progress = lambda count: None) -> Census:
    """Count everything. ``progress`` is told how many keys were read so far."""
    census, permits = Census(), Permits()
    tasks: list[str] = []
    holding: list[str] = []
    read = 0
    async for names in _names(storage):
        read += len(names)
        progress(read)
        for name, kind in zip(names, await _types(storage, names), strict=True):
            _enter(census, name, kind)
            if kind in ("hash", "zset"):
                permits.see_key(name)
            if name.startswith("t:"):
                tasks.append(name[2:])
            elif re.match(r"q:|fn[:.]|limit\.held:|own:", name) and kind in ("zset", "hash"):
                holding.append(name)
    suspects = await _suspects(storage, census, tasks, holding, permits)
    for start in range(0, len(suspects), LOOK):
        slice_ = suspects[start : start + LOOK]
        for task_id, standing in zip(slice_, await standings(storage, slice_, holding), strict=True):
            if (fault := standing.fault()) is not None:
                census.misplaced.append((task_id, fault))
    census.permits = await recount(storage, permits)
    return census


async def standings(storage: Storage, task_ids: Sequence[str], holding: Iterable[str]) -> list[Standing]:
    """Every place of these tasks, seen in one atomic step."""
    rows = await storage.script("places", len(task_ids), *task_ids, *holding)
    return [Standing(status, fence, queue, tuple(places)) for status, fence, queue, places in rows]


def _enter(census: Census, name: str, kind: str) -> None:
    if kind == "none":  # it ended while we looked
        return
    row = row_of(name)
    if row is None:
        census.unknown.append(name)
        return
    census.keys[row.pattern] += 1
    if row.type != kind:
        census.mistyped.append((name, kind, row.type))


async def _names(storage: Storage) -> AsyncIterator[list[str]]:
    """All key names of the namespace in slices, each once, without the tag."""
    prefix = storage.keys.prefix
    pattern = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
    seen: set[str] = set()
    cursor: int | str = 0
    while True:
        cursor, found = await storage.command("SCAN", cursor, "MATCH", pattern, "COUNT", SLICE)
        fresh = [key.removeprefix(prefix) for key in dict.fromkeys(found) if key not in seen]
        seen.update(found)
        if fresh:
            yield fresh
        if int(cursor) == 0:
            return


async def _types(storage: Storage, names: Sequence[str]) -> list[str]:
    return [str(kind) for kind in await storage.commands([("TYPE", storage.keys(name)) for name in names])]


async def _suspects(
    storage: Storage, census: Census, tasks: list[str], holding: list[str], permits: Permits
) -> list[str]:
    """Tasks that stand in the wrong place at first sight."""
    places = await _places(storage, holding)
    suspects = []
    for start in range(0, len(tasks), SLICE):
        ids = tasks[start : start + SLICE]
        commands = [("HMGET", storage.keys("t", each), *_FIELDS) for each in ids]
        for task_id, row in zip(ids, await storage.commands(commands), strict=True):
            status, fence, queue, created, waits, limits, *rest = row
            if (status, fence, queue, created) == (None, None, None, None):
                continue  # deleted meanwhile; a place that still names it is among those left over
            if limits:
                permits.see_task(status or "queued", queue or "", limits, *(text or "" for text in rest))
            where = (*places.pop(task_id, ()), *(["parents"] if waits else []))
            standing = Standing(status or "queued", fence or "", queue or "", where)
            census.tasks[standing.status] += 1
            if standing.fault() is not None:
                suspects.append(task_id)
    return [*suspects, *places]


async def _places(storage: Storage, holding: list[str]) -> dict[str, list[str]]:
    """Task id -> every place that holds it, as the script ``places`` names them."""
    places: dict[str, list[str]] = {}
    for name in [*holding, "delayed", "lost"]:
        async for task_id, fence in _members(storage, name):
            places.setdefault(task_id, []).append(f"{name} {fence}" if fence else name)
    return places


async def _members(storage: Storage, name: str) -> AsyncIterator[tuple[str, str]]:
    """Task ids in a lane, held, in ``delayed`` or ``lost``, or with a holder (then with their fence)."""
    key = storage.keys(name)
    if name.startswith("own:"):
        for task_id, entry in (await storage.command("HGETALL", key)).items():
            yield task_id, entry.partition(" ")[0]
        return
    start = 0
    while members := await storage.command("ZRANGE", key, start, start + 2 * SLICE - 1):
        for member in members:
            yield member, ""
        start += len(members)
