"""Plain reads of Redis for the end of the demo: what ``redis-cli`` would answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clearq.cli.demo.trials import QUEUES, TRIALS
from clearq.cli.demo.watch import Watch
from clearq.models.queue import slug
from clearq.storage import Storage


@dataclass(frozen=True)
class Read:
    """One command, its answer in lines, and what it tells."""

    about: str
    command: tuple[str, ...]
    answer: tuple[str, ...]


class Reader:
    """Sends read-only commands and keeps their answers."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.reads: list[Read] = []

    async def ask_while_waiting(self) -> None:
        """The waiting queue, before any worker has come."""
        key = self._storage.keys("q", slug(QUEUES[1]))
        about = f"the queue {QUEUES[1]} while it waited: a sorted set, next to run first"
        await self._ask(about, "ZRANGE", key, "0", "-1", "WITHSCORES")

    async def ask_at_the_end(self, watch: Watch) -> None:
        """A task's hash, and the newest events."""
        task = self._storage.keys("t", watch.id(TRIALS[0].name))
        await self._ask(f"the state of {TRIALS[0].name}: a hash", "HMGET", task, "status", "queue", "claims")
        about = "the workers by their last heartbeat (milliseconds): a sorted set"
        await self._ask(about, "ZRANGE", self._storage.keys("workers"), "0", "-1", "WITHSCORES")

    async def _ask(self, about: str, *command: str) -> None:
        answer = await self._storage.command(*command)
        self.reads.append(Read(about, command, tuple(_flat(answer))))


def _flat(answer: Any) -> Iterator[str]:
    """Nested lists and mappings as the lines that ``redis-cli`` prints."""
    if isinstance(answer, dict):
        answer = [part for pair in answer.items() for part in pair]
    if isinstance(answer, list | tuple | set):
        for part in answer:
            yield from _flat(part)
    elif isinstance(answer, float):
        yield f"{answer:.17g}"
    else:
        yield "(nil)" if answer is None else str(answer)
