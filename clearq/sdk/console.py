"""Console capture of a run by hand: what the program prints, also goes to the task's log.

Under an agent the supervisor captures the output of the whole process tree, and this is not used.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from clearq.executors.lines import Entry, LineAssembler
from clearq.executors.output import Frame

#: Takes one entry of the log: time, stream, text.
Sink = Callable[[float, str, str], None]


class ConsoleCapture:
    """Stands between ``print`` and the terminal while installed."""

    def __init__(self, sink: Sink) -> None:
        self._sink: Sink | None = sink
        self._lines = LineAssembler()
        self._lock = threading.Lock()
        self._tees: list[_Tee] = []

    def install(self) -> None:
        """From now on take a copy of what is written to ``sys.stdout`` and ``sys.stderr``."""
        if not self._tees:
            self._tees = [_Tee(sys.stdout, "stdout", self._write), _Tee(sys.stderr, "stderr", self._write)]
            sys.stdout, sys.stderr = self._tees

    def remove(self) -> None:
        """Give the streams back and hand on what is left of a line without an end."""
        for tee, name in zip(self._tees, ("stdout", "stderr"), strict=False):
            # Whoever replaced the stream since may still hold ours: it stays usable.
            if getattr(sys, name) is tee:
                setattr(sys, name, tee.original)
        self._tees = []
        with self._lock:
            self._hand_on(self._lines.rest())
        self._sink = None

    def after_fork(self, sink: Sink) -> None:
        """In a forked child: other threads' locks and half lines are the parent's."""
        self._lock = threading.Lock()
        self._lines = LineAssembler()
        self._sink = sink

    def _write(self, stream: str, text: str) -> None:
        if self._sink is None:
            return
        at = time.time()
        with self._lock:
            frame = Frame(at, stream, text.encode("utf-8", "replace"))
            self._hand_on([*self._lines.feed(frame), *self._lines.due(at)])

    def _hand_on(self, entries: Iterable[Entry]) -> None:
        if self._sink is not None:
            for entry in entries:
                self._sink(entry.at, entry.stream, entry.text)


class _Tee:
    """A text stream that also tells what is written to it; all else is the original's."""

    def __init__(self, original: TextIO, name: str, write: Callable[[str, str], None]) -> None:
        self.original = original
        self._name = name
        self._copy = write

    def write(self, text: str) -> int:
        # The copy comes first: a signal's exception between the two must not tear a line that was seen already.
        self._copy(self._name, text)
        return self.original.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def __iter__(self) -> Any:
        return iter(self.original)
