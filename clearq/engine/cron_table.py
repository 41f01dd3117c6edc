"""Cron rules as people look at them: what there is, when it runs next, how it went, and run one now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from clearq.clock import seconds
from clearq.engine.calls import Call
from clearq.engine.cron import Cron, task_id
from clearq.engine.functions import Functions
from clearq.engine.ids import new_id
from clearq.errors import NotFoundError
from clearq.storage import Storage


@dataclass(frozen=True)
class Listed:
    """One rule as it stands in Redis. Times are seconds since the epoch."""

    name: str
    function: str
    expression: str
    tz: str
    missed: str
    queue: str
    next: float  #: the slot that comes next
    last: float | None = None  #: the last slot that has run or was passed over
    outcome: str = ""  #: status of that slot's task; empty: there was none, or it has expired


class CronTable:
    """All rules of a namespace, whichever apps declare them."""

    def __init__(self, storage: Storage, cron: Cron, functions: Functions) -> None:
        self._storage, self._cron, self._functions = storage, cron, functions

    async def list(self) -> list[Listed]:
        """Them all, the next to run first."""
        keys = self._storage.keys
        flat = await self._storage.command("ZRANGE", keys("cron"), 0, -1, "WITHSCORES")
        names = flat[::2]
        rows = await self._storage.commands([("HGETALL", keys("cron", name)) for name in names])
        tasks = [task_id(name, seconds(row.get("last", "0"))) for name, row in zip(names, rows, strict=True)]
        found = await self._storage.commands(
            [("HMGET", keys("t", task), "fn", "function.name", "status") for task in tasks]
        )
        return [
            _listed(name, int(float(slot)) / 1000, row, (status or "queued") if fn or called else "")
            for name, slot, row, (fn, called, status) in zip(names, flat[1::2], rows, found, strict=True)
            if row
        ]

    async def run(self, name: str) -> tuple[str, bool]:
        """Enqueue a rule's function now, beside its slots, which stay as they are. Answers the task's id.

        False: another task holds the rule's unique key, and its id is answered. Raises NotFoundError.
        """
        row = await self._storage.command("HGETALL", self._storage.keys("cron", name))
        if not row:
            raise await self._missing(name)
        extra = {"cron": name}
        extra |= {field.removeprefix("with."): text for field, text in row.items() if field.startswith("with.")}
        if "sizes" in extra:
            extra["sizes"] = extra.pop("sizes")  # it has to come last
        call = Call(
            new_id(),
            row["fn"],
            row["args"].encode("utf-8", "surrogateescape"),
            row["queue"],
            int(row.get("priority", "0")),
            extra=extra,
        )
        on_agents = "function.name" in extra
        word = await (self._functions.submit(call, extra) if on_agents else self._functions.enqueue(call))
        word, _, holder = word.partition(" ")
        return (holder, False) if word == "duplicate" else (call.id, True)

    async def remove(self, name: str) -> None:
        """Forget a rule; a worker that still declares it defines it anew. Raises NotFoundError."""
        if not await self._cron.remove(name):
            raise await self._missing(name)

    async def _missing(self, name: str) -> NotFoundError:
        names = await self._storage.command("ZRANGE", self._storage.keys("cron"), 0, 49)
        near = get_close_matches(name, names, n=3)
        hint = f"there are: {', '.join(near or names)}" if names else "no worker has declared any"
        return NotFoundError(f"There is no cron rule {name!r}; {hint}.")


def _listed(name: str, slot: float, row: Mapping[str, str], outcome: str) -> Listed:
    return Listed(
        name,
        row.get("fn", ""),
        row.get("expression", ""),
        row.get("tz", "UTC"),
        row.get("missed", "once"),
        row.get("queue", ""),
        slot,
        seconds(row["last"]) if row.get("last") else None,
        outcome,
    )
