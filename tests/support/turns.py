"""A fair queue as a few lists, and the real one behind the same verbs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.bench import NOW, WORKER, Bench
from tests.support.state import State, misplaced

TURN = 16384


@dataclass
class FairModel:
    """What a fair queue must do, for one lane: no counters by key, no scores, just lists."""

    weights: dict[str, int]
    waiting: list[tuple[int, int, str, str]] = field(default_factory=list)  #: -priority, place, id, key
    last: dict[tuple[str, int], int] = field(default_factory=dict)  #: key, priority -> the place given last
    reached: dict[int, tuple[int, int]] = field(default_factory=dict)  #: priority -> furthest place claimed, joined

    def enqueue(self, id: str, key: str, priority: int = 0) -> None:
        """A new task."""
        at, joined = self.reached.get(priority, (0, 0))
        start = self.last.get((key, priority), 0)
        if start <= at:
            joined += 1
            start, self.reached[priority] = at + joined, (at, joined)
        place = self.last[key, priority] = start + TURN // self.weights.get(key, 1)
        self.waiting.append((-priority, place, id, key))

    def take(self, count: int) -> list[tuple[int, int, str, str]]:
        """The next ones."""
        self.waiting.sort()
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        for rank, place, _, _ in taken:
            if place > self.reached.get(-rank, (0, 0))[0]:
                self.reached[-rank] = (place, 0)
        self._forget()
        return taken

    def drop(self, id: str) -> None:
        """Out of the queue without a run."""
        self.waiting = [entry for entry in self.waiting if entry[2] != id]
        self._forget()

    def _forget(self) -> None:
        """A key with nothing waiting starts anew."""
        waiting = {key for *_, key in self.waiting}
        self.last = {known: place for known, place in self.last.items() if known[0] in waiting}


class FairQueue:
    """A fair queue on a bench, worked by one worker."""

    def __init__(self, bench: Bench, name: str = "q") -> None:
        self.bench, self.name, self.number, self.now = bench, name, 0, NOW
        self.running: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    async def make(self, **weights: int) -> FairQueue:
        """The queue and its worker."""
        await self.bench.worker(lanes=f"fn:{self.name}")
        flat = [word for key, weight in weights.items() for word in (key, weight)]
        await self.bench.call("queue_create", NOW, self.name, self.name, "[]", "", "1", *flat)
        return self

    async def enqueue(self, key: str | None, *ids: str, priority: int = 0, delay: str = "", limits: str = "") -> None:
        """New tasks of a key, in one call."""
        flat: list[Any] = []
        for id in ids:
            self.keys[id] = key or ""
            extra = ["limits", limits] * bool(limits) + (["fair", key] if key is not None else [])
            flat += [id, self.name, self.name, "f", "[]", priority or "", delay, "", len(extra) // 2, *extra]
        assert await self.bench.call("enqueue_many", self.now, *flat) == ["queued"] * len(ids)

    async def turn(self, count: int, how: str = "", ids: list[str] | None = None) -> list[str]:
        """End those that run (or ``ids``), then claim; the claimed ids in order."""
        self.number += 1
        ends: list[Any] = []
        for id in (list(self.running) if ids is None else ids) if how else []:
            ends += [id, self.running.pop(id), how, "{}", "", ""]
        claim = (WORKER, f"n{self.number}", count, self.number, "fn", 0, 0)
        answer = await self.bench.call("turn", self.now, *claim, 1, self.name, max(count, 1), *ends)
        assert answer[1] == []
        claims = answer[2] if len(answer) > 2 else []
        self.running |= {claim[0]: claim[1] for claim in claims}
        return [claim[0] for claim in claims]

    async def served(self, count: int, batch: int = 1) -> list[str]:
        """Keys in the order in which they are served."""
        order: list[str] = []
        while len(order) < count and (ids := await self.turn(min(batch, count - len(order)), "complete")):
            order += [self.keys[id] for id in ids]
        return order

    async def check(self) -> State:
        """Everything stands where it must."""
        state = await self.bench.state()
        assert misplaced(state) == []
        return state
