"""From chunks of bytes to lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from clearq.executors.output import Frame

#: Bytes of one entry; a longer line is split.
ENTRY_MAX = 65_536

#: Seconds without a byte after which a line that has no end yet is shown.
QUIET = 0.5

#: Seconds between two states shown of one progress bar.
PROGRESS_EVERY = 2.0


class Entry(NamedTuple):
    """One or more whole lines of one stream, without the last newline."""

    at: float
    stream: str
    text: str


@dataclass
class _Open:
    """A stream's line that has no end yet."""

    data: bytes = b""
    changed: float = 0.0  # when its last byte came
    shown: float = 0.0  # when a part of it was last given out
    part_shown: bool = False  # the newline alone, when it comes, is not another line


class LineAssembler:
    """Puts chunks of several streams together to lines; the order of each stream is kept.

    A carriage return begins the line again, as on a terminal: of a progress bar the last state stays, and
    :meth:`due` shows every two seconds what it stands at. ANSI codes are kept, bytes that are not UTF-8
    become U+FFFD, NUL is removed, lines above 64 KiB are split. Holds at most 64 KiB a stream.
    """

    def __init__(self, quiet: float = QUIET, progress_every: float = PROGRESS_EVERY) -> None:
        self._quiet = quiet
        self._every = progress_every
        self._open: dict[str, _Open] = {}

    def feed(self, frame: Frame, now: float | None = None) -> list[Entry]:
        """The lines that a chunk completes. ``now``: when it is read, if that is later than when it came."""
        line = self._open.setdefault(frame.stream, _Open())
        whole, newline, rest = (line.data + frame.data).rpartition(b"\n")
        line.changed = frame.at if now is None else now
        pieces: list[bytes] = []
        if newline:
            first, more, others = whole.partition(b"\n")
            if line.part_shown and not first.strip(b"\r"):
                whole, newline = others, more  # only the end of what was shown before
            line.part_shown = False
            pieces = _pieces(_collapsed(whole)) if newline else []
        line.data = _last_state_kept(rest) if b"\r" in rest else rest
        while len(line.data) > ENTRY_MAX:
            cut = _cut(line.data)
            pieces.append(line.data[:cut])
            line.data, line.part_shown = line.data[cut:], True
        return [Entry(frame.at, frame.stream, _decoded(piece)) for piece in pieces]

    def due(self, now: float) -> list[Entry]:
        """What is to be shown of open lines: those gone quiet, and progress bars now and then."""
        return [self._show(stream) for stream, line in self._open.items() if line.data and now >= self._due_at(line)]

    def rest(self) -> list[Entry]:
        """What is left at the end."""
        return [self._show(stream) for stream, line in self._open.items() if line.data]

    def next_due(self) -> float | None:
        """When :meth:`due` will have something; None: not before the next chunk."""
        return min((self._due_at(line) for line in self._open.values() if line.data), default=None)

    def _due_at(self, line: _Open) -> float:
        return line.shown + self._every if b"\r" in line.data else line.changed + self._quiet

    def _show(self, stream: str) -> Entry:
        line = self._open[stream]
        text = _decoded(_collapsed(line.data))
        line.data, line.shown, line.part_shown = b"", line.changed, True
        return Entry(line.changed, stream, text)


def _collapsed(lines: bytes) -> bytes:
    """Each line as a terminal would show it after its last carriage return."""
    if b"\r" not in lines:
        return lines
    return b"\n".join(line.rstrip(b"\r").rpartition(b"\r")[2] for line in lines.split(b"\n"))


def _last_state_kept(line: bytes) -> bytes:
    """An open line without its overwritten states, still to be known as a progress bar."""
    states = line.rstrip(b"\r")
    return b"\r" + states.rpartition(b"\r")[2] + line[len(states) :][:1]


def _pieces(lines: bytes) -> list[bytes]:
    """Whole lines, in pieces of at most 64 KiB."""
    pieces = []
    while len(lines) > ENTRY_MAX:
        cut = lines.rfind(b"\n", 0, ENTRY_MAX + 1)
        after = cut + 1
        if cut < 0:
            cut = after = _cut(lines)
        pieces.append(lines[:cut])
        lines = lines[after:]
    return [*pieces, lines]


def _cut(line: bytes) -> int:
    """Where to split a long line: not within a UTF-8 character."""
    for cut in range(ENTRY_MAX, ENTRY_MAX - 4, -1):
        if line[cut] & 0xC0 != 0x80:
            return cut
    return ENTRY_MAX


def _decoded(data: bytes) -> str:
    return data.replace(b"\0", b"").decode(errors="replace")
