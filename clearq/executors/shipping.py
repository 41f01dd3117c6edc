"""Carry an attempt's output from ``output.log`` to the storage, also over the storage's absence."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from clearq.errors import StorageError
from clearq.executors.lines import ENTRY_MAX, Entry, LineAssembler
from clearq.executors.output import OutputLog

#: Stores entries ``(at, stream, text)``. The number makes a repetition harmless: it counts up from 1.
#: Raises StorageError when the storage is away for now, Stale when the attempt is no longer ours.
Append = Callable[[Sequence[tuple[float, str, str]], int], Awaitable[None]]

#: Seconds between two batches; the first one after a pause goes at once.
EVERY = 0.25

#: Bytes of a batch.
BATCH = 65_536

#: Seconds between tries while the storage is away: first, at most.
RETRY, RETRY_MAX = 0.1, 5.0

_log = logging.getLogger(__name__)


class Shipper:
    """Reads the log's file, so that however long the storage is away, memory holds one batch.

    ``run`` it in a task; at the end ``await drain(seconds)``, then cancel the task.
    """

    def __init__(
        self,
        log: OutputLog,
        append: Append,
        lines: LineAssembler | None = None,
        every: float = EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log = log
        self._append = append
        self._lines = lines or LineAssembler()
        self._every = every
        self._clock = clock
        self._batch: list[Entry] = []
        self._size = 0  # characters in the batch
        self._read = 0  # position in the log
        self._seq = 0
        self._sent_at = float("-inf")  # on the loop's clock
        self._draining = False
        self._done = asyncio.Event()

    @property
    def batches(self) -> int:
        """How many batches were made: the number of the newest one."""
        return self._seq

    async def run(self) -> None:
        """Ship until :meth:`drain` is called and all is shipped. Raises Stale as ``append`` does."""
        try:
            while await self._step():
                pass
        finally:
            self._done.set()

    async def drain(self, timeout: float) -> int:
        """No more output comes: ship what is left; answers how many bytes were not shipped in time."""
        self._draining = True
        self._log.changed.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), timeout)
        left = self._log.end - self._log.position_shipped
        if left:
            _log.warning("%d bytes of output were not shipped; all of it is in %s", left, self._log.path)
        return left

    async def _step(self) -> bool:
        """Read, and send what is due. False: all is done."""
        self._log.changed.clear()
        found = self._fill()
        if self._batch and (self._size >= BATCH or self._wait_for() <= 0 or (self._draining and not found)):
            await self._send()
            return True
        if found:
            return True
        if self._draining:
            self._batch = self._lines.rest()
            if not self._batch:
                self._log.shipped(self._read)
                return False
            await self._send()
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._log.changed.wait(), self._next_look())
        return True

    def _fill(self) -> bool:
        """Add what has come to the batch. True: there may be more."""
        frames, self._read = self._log.read(self._read, max(BATCH - self._size, 1))
        now = self._clock()
        entries = [entry for frame in frames for entry in self._lines.feed(frame, now)]
        entries += self._lines.due(now)
        self._size += sum(len(entry.text) for entry in entries)
        self._batch += entries
        return bool(frames)

    def _wait_for(self) -> float:
        """Seconds until the next batch may go."""
        return self._sent_at + self._every - asyncio.get_running_loop().time()

    def _next_look(self) -> float | None:
        """Seconds until there is something to do without new output; None: nothing."""
        if self._batch:
            return self._wait_for()
        due = self._lines.next_due()
        return None if due is None else max(due - self._clock(), 0.001)

    async def _send(self) -> None:
        entries = _joined(self._batch)
        self._seq += 1
        await self._append_until_stored(entries)
        self._sent_at = asyncio.get_running_loop().time()
        self._batch, self._size = [], 0
        self._log.shipped(self._read)

    async def _append_until_stored(self, entries: Sequence[Entry]) -> None:
        delay = RETRY
        while True:
            try:
                await self._append(entries, self._seq)
            except StorageError as error:
                if delay == RETRY:
                    _log.warning("output waits on the local disk: %s", error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX)
            else:
                return


def _joined(entries: Sequence[Entry]) -> list[Entry]:
    """Neighbours of one stream in one entry: the storage's cost is by entry."""
    joined: list[list[Entry]] = []
    size = 0
    for entry in entries:
        if joined and joined[-1][0].stream == entry.stream and size + len(entry.text) < ENTRY_MAX:
            joined[-1].append(entry)
            size += len(entry.text) + 1
        else:
            joined.append([entry])
            size = len(entry.text)
    return [Entry(run[0].at, run[0].stream, "\n".join(entry.text for entry in run)) for run in joined]
