"""``output.log``: all that an attempt prints, on the local disk, framed by stream and time.

A frame is a line ``@<seconds since the epoch> <stream> <bytes>``, the bytes themselves, and a newline: to be
read with ``less`` as well as by :func:`read_frames`. The file is also the buffer between process and storage.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

#: Bytes that the file may hold. Full and all shipped: it begins anew. Full and not shipped: writers wait.
LIMIT = 1024 * 1024 * 1024

#: Remarks about the attempt itself are frames of this stream.
CLEARQ = "clearq"

#: Seconds without a loss after which a full disk is taken to have room again.
QUIET = 5.0

#: Longest head of a frame in bytes; a longer one is not ours.
_HEAD_MAX = 80


class Frame(NamedTuple):
    """One chunk as it arrived."""

    at: float
    stream: str
    data: bytes


class OutputLog:
    """The open file. One writer and one reader, both on the same event loop.

    Positions count from the first byte ever written, also after the file began anew.
    """

    def __init__(self, path: Path, limit: int = LIMIT, clock: Callable[[], float] = time.time) -> None:
        """Create or empty the file, readable by this user only."""
        self.path = path
        self._limit = limit
        self._clock = clock
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._base = 0  # position of the file's first byte
        self._size = 0  # bytes in the file
        self._shipped = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.lost = 0  #: bytes that the disk did not take
        self._lost_said = 0
        self._lost_at = 0.0  # the last of them
        self._said_full = False

    @property
    def end(self) -> int:
        """Position behind the last frame."""
        return self._base + self._size

    @property
    def position_shipped(self) -> int:
        """All before it is in the storage."""
        return self._shipped

    @property
    def changed(self) -> asyncio.Event:
        """Set by each write; to be cleared by the reader."""
        return self._changed

    async def write(self, stream: str, data: bytes) -> None:
        """Append a chunk. Waits while the file is full of what has not been shipped yet."""
        await self._room.wait()
        self._append(stream, data)

    def say(self, text: str) -> None:
        """Append a remark about the attempt; never waits."""
        self._append(CLEARQ, text.encode() + b"\n")

    def shipped(self, position: int) -> None:
        """All before ``position`` is in the storage."""
        self._shipped = max(self._shipped, position)
        self._make_room()

    def read(self, position: int, size: int) -> tuple[list[Frame], int]:
        """Whole frames from ``position`` on, about ``size`` bytes (at least one), and where they end."""
        frames: list[Frame] = []
        first = position
        while position < self.end and position - first < size:
            frame, length = _frame(self._file, position - self._base)
            if frame is None:
                break
            frames.append(frame)
            position += length
        return frames, position

    def sum_up(self) -> None:
        """Say how much was left out, if that was not said yet: nothing more will come."""
        if self.lost > self._lost_said:
            text = f"the disk was full: {self.lost - self._lost_said} bytes of output were left out\n"
            if self._put(CLEARQ, text.encode()):
                self._lost_said, self._said_full = self.lost, False

    def close(self) -> None:
        """Close the file; it stays on the disk. Closing twice is harmless."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._room.set()

    def _append(self, stream: str, data: bytes) -> None:
        if self._file < 0:
            return
        if self.lost > self._lost_said and self._clock() - self._lost_at >= QUIET:
            self.sum_up()
        if not self._put(stream, data):
            self._lose(len(data))
        self._changed.set()
        self._make_room()

    def _put(self, stream: str, data: bytes) -> bool:
        """Write a frame wholly or not at all (a full disk)."""
        frame = b"@%.3f %s %d\n%s\n" % (self._clock(), stream.encode(), len(data), data)
        try:
            done = os.pwrite(self._file, frame, self._size)
        except OSError:
            return False
        if done < len(frame):
            return False
        self._size += len(frame)
        return True

    def _lose(self, size: int) -> None:
        """A nearly full disk takes short chunks and no long ones: said once, and summed up when that is over."""
        self.lost += size
        self._lost_at = self._clock()
        if not self._said_full:
            self._said_full = self._put(CLEARQ, b"the disk is full: output is left out\n")

    def _make_room(self) -> None:
        if self._size < self._limit:
            return
        if self._shipped < self.end:
            self._room.clear()
            return
        left_out = self._size
        self._base, self._size = self.end, 0
        os.ftruncate(self._file, 0)
        self._room.set()
        text = f"this file begins anew: {left_out} bytes were shipped and are no longer here\n"
        self._put(CLEARQ, text.encode())


def read_frames(path: Path) -> Iterator[Frame]:
    """All whole frames of an ``output.log``, such as one whose writer was killed."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        position = 0
        while True:
            frame, length = _frame(handle, position)
            if frame is None:
                return
            yield frame
            position += length
    finally:
        os.close(handle)


def _frame(handle: int, offset: int) -> tuple[Frame | None, int]:
    """The frame at an offset, and its length in the file; None where there is no whole one."""
    head = os.pread(handle, _HEAD_MAX, offset).partition(b"\n")[0]
    words = head.split()
    if not head.startswith(b"@") or len(words) != 3 or not words[2].isdigit():
        return None, 0
    size = int(words[2])
    data = os.pread(handle, size + 1, offset + len(head) + 1)
    if len(data) < size + 1:
        return None, 0
    return Frame(float(words[0][1:]), words[1].decode(), data[:size]), len(head) + size + 2
