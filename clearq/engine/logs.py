"""Logs: the console output of a task, in order, as a capped tail in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from clearq.clock import milliseconds, seconds
from clearq.engine.answers import missing_task, stale
from clearq.models.event import LogLine
from clearq.models.status import Status
from clearq.storage import Storage

#: time (seconds), stream (stdout stderr clearq), text of one or more lines
Entry = tuple[float, str, str]

#: Bytes an entry holds about; together with ``settings.log_tail_bytes`` it gives the longest stream.
_ENTRY_BYTES = 4096


class Logs:
    """Append and read."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def append(self, task_id: str, lines: Sequence[Entry], *, fence: str | None = None, seq: int = 0) -> None:
        """Add output. A ``seq`` (from 1, growing within an attempt) that was there before is dropped, so that a
        batch may be sent again. Raises Stale for an old fence, TaskNotFound.
        """
        longest = max(100, self._storage.settings.log_tail_bytes // _ENTRY_BYTES)
        flat = [text for entry in _packed(lines) for text in entry]
        answer = await self._storage.script("log", task_id, fence or "", str(seq), str(longest), *flat)
        if answer[0] == "missing":
            raise missing_task(task_id)
        if answer[0] == "stale":
            raise stale(task_id, fence or "")

    async def read(self, task_id: str, *, after: str = "0", count: int = 1000) -> list[LogLine]:
        """Entries after the given id."""
        key = self._storage.keys("log", task_id)
        entries = await self._storage.command("XRANGE", key, f"({after}", "+", "COUNT", count)
        return [_decode(id, fields) for id, fields in entries]

    async def tail(self, task_id: str, count: int) -> list[LogLine]:
        """The last entries, oldest first."""
        key = self._storage.keys("log", task_id)
        entries = await self._storage.command("XREVRANGE", key, "+", "-", "COUNT", count)
        return [_decode(id, fields) for id, fields in reversed(entries)]

    async def follow(self, task_id: str, after: str = "0") -> AsyncIterator[LogLine]:
        """Entries as they come, until the task has ended (or is a draft) and all was read."""
        key = self._storage.keys("log", task_id)
        while True:
            status = await self._storage.command("HGET", self._storage.keys("t", task_id), "status")
            entries = await self.read(task_id, after=after)
            for line in entries:
                after = line.id
                yield line
            if entries:
                continue
            if status not in (Status.QUEUED, Status.IN_PROGRESS):
                return
            await self._storage.wait_for("XREAD", "COUNT", 1, "BLOCK", 1000, "STREAMS", key, after, timeout=1.0)


def _packed(lines: Iterable[Entry]) -> list[tuple[str, str, str]]:
    """Neighbouring lines of one stream in entries of a few kilobytes: a line an entry would cost ten times more."""
    packed: list[tuple[str, str, str]] = []
    for at, stream, text in lines:
        clean = text.encode("utf-8", "replace").decode("utf-8")
        if packed and packed[-1][1] == stream and len(packed[-1][2]) + len(clean) < _ENTRY_BYTES:
            packed[-1] = (packed[-1][0], stream, f"{packed[-1][2]}\n{clean}")
        else:
            packed.append((str(milliseconds(at)), stream, clean))
    return packed


def _decode(id: str, fields: dict[str, str]) -> LogLine:
    return LogLine(id=id, at=seconds(fields["at"]), stream=fields["stream"], text=fields["text"])
