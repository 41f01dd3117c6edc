"""Recounting the permits of limits by key, a part of the census.

The first pass compares counts read one after another while everything goes on; a key that looks odd is then counted
again in one atomic step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from clearq.storage.connection import Storage

#: Commands in one round trip.
SLICE = 500
#: Looks at an odd key of a queue with so many held tasks that those which keep a permit are listed before each look:
#: one may begin to keep it in between.
LOOKS = 10

Key = tuple[str, str]  #: queue id, limit key


@dataclass
class Permits:
    """What the first pass gathers: names of keys (without the tag), and the permits that tasks must have."""

    queues: list[str] = field(default_factory=list)
    lanes: list[Key] = field(default_factory=list)
    held: list[Key] = field(default_factory=list)
    holders: list[str] = field(default_factory=list)  #: ``own:<holder>``
    wanted: Counter[Key] = field(default_factory=Counter)

    def see_key(self, name: str) -> None:
        """A key of the namespace."""
        if name.startswith("permits:"):
            self.queues.append(name.partition(":")[2])
        elif name.startswith("own:"):
            self.holders.append(name)
        elif name.startswith(("limit.lane:", "limit.held:")):
            which, queue, key = name.split(":", 2)
            (self.lanes if which == "limit.lane" else self.held).append((queue, key))

    def see_task(self, status: str, queue: str, limits: str, held: str, kept: str, spent: str) -> None:
        """A task with limits."""
        keys: set[str] = set()
        if status == "in_progress":
            keys = set(limits.split()) - set(spent.split())
        elif status == "queued" and held:
            keys = set(kept.split())
        self.wanted.update((queue, key) for key in keys)


@dataclass(frozen=True)
class Count:
    """One key, seen in one step."""

    taken: int
    size: int | None
    later: bool  #: unfinished work will look at it
    held: int
    in_lane: int
    running: int
    kept: int
    timed: int

    def fault(self) -> str | None:
        """What breaks the rules: permits are those of tasks in lanes, running, kept or of timers; none is free while
        a task waits for it; none in a lane is too much.
        """
        have = self.in_lane + self.running + self.kept + self.timed
        if self.taken != have:
            parts = f"{self.in_lane} in a lane, {self.running} running, {self.kept} kept, {self.timed} of a rate"
            return f"{self.taken} permits are taken, but {have} are accounted for ({parts})"
        if self.later:
            return None
        free = None if self.size is None else self.size - self.taken
        if self.held and (free is None or free > 0):
            return f"{self.held} tasks are held, but {'it has no size' if free is None else f'{free} permits are free'}"
        if free is not None and free < 0 and self.in_lane:
            return f"{self.taken} of {self.size} permits are taken, and {self.in_lane} of their tasks have not begun"
        return None


async def recount(storage: Storage, seen: Permits) -> list[tuple[str, str]]:
    """Keys whose permits are wrong, as ``(key of queue <queue>, what is wrong)``."""
    found = []
    for queue, key in await _suspects(storage, seen):
        if (count := await look(storage, queue, key, seen.holders)) is None:
            fault = await _fault_of_many(storage, queue, key, seen.holders)
        else:
            fault = count.fault()
        if fault is not None:
            found.append((f"{key} of queue {queue}", fault))
    return found


async def _fault_of_many(storage: Storage, queue: str, key: str, holders: Sequence[str]) -> str | None:
    """What every look finds wrong with a key of a queue with very many held tasks."""
    fault = None
    for _ in range(LOOKS):
        count = await look(storage, queue, key, holders, await _keepers(storage, queue, key))
        fault = count.fault() if count else None
        if fault is None:
            break
    return fault


async def look(
    storage: Storage, queue: str, key: str, holders: Sequence[str], keepers: Sequence[str] | None = None
) -> Count | None:
    """Count one key in one atomic step; ``None``: too many tasks are held, give those that may keep a permit."""
    given: Sequence[str | int] = [""] if keepers is None else [len(keepers), *keepers]
    row = await storage.script("permits", queue, key, *given, *holders)
    if row[0] == "many":
        return None
    taken, size, later, *rest = row
    return Count(int(taken), int(size) if size else None, bool(later), *map(int, rest))


async def _suspects(storage: Storage, seen: Permits) -> list[Key]:
    """Keys that look wrong at first sight."""
    wanted, held = Counter(seen.wanted), defaultdict[Key, int](int)
    for keys, counts in ((seen.lanes, wanted), (seen.held, held)):
        which = "limit.lane" if keys is seen.lanes else "limit.held"
        for start in range(0, len(keys), SLICE):
            part = keys[start : start + SLICE]
            sizes = await storage.commands([("ZCARD", storage.keys(which, *key)) for key in part])
            for key, size in zip(part, sizes, strict=True):
                counts[key] += int(size)
    for member in await storage.command("ZRANGE", storage.keys("timers"), 0, -1):
        verb, *words = member.split(" ")
        if verb == "permit" and len(words) == 3:
            wanted[words[0], words[2]] += 1
    suspects = []
    for queue in dict.fromkeys([*seen.queues, *(queue for queue, _ in (*wanted, *held))]):
        taken = await storage.command("HGETALL", storage.keys("permits", queue))
        limits = await storage.command("HGETALL", storage.keys("queue", queue))
        names = {*taken, *(key for of, key in (*wanted, *held) if of == queue)}
        for key in sorted(names):
            size = limits.get(f"limit:{key.partition(':')[0]}", "").partition("/")[0]
            count = int(taken.get(key, "0"))
            room = not size or count < int(size)
            if count != wanted[queue, key] or (held[queue, key] and room) or (size and count > int(size)):
                suspects.append((queue, key))
    return suspects


async def _keepers(storage: Storage, queue: str, key: str) -> list[str]:
    """Held tasks of the queue that keep a permit of the key."""
    found = []
    for other in await storage.command("HKEYS", storage.keys("permits", queue)):
        ids = await storage.command("ZRANGE", storage.keys("limit.held", queue, other), 0, -1)
        for start in range(0, len(ids), SLICE):
            part = ids[start : start + SLICE]
            kept = await storage.commands([("HGET", storage.keys("t", id), "kept") for id in part])
            found += [id for id, text in zip(part, kept, strict=True) if key in (text or "").split()]
    return found
