"""A line on stderr that tells what is going on, until something else is printed."""

from __future__ import annotations

import shutil
from types import TracebackType
from typing import TextIO

from clearq.cli.text import clean

#: To the line's begin, and erase it.
_ERASE = "\r\x1b[2K"


class StatusLine:
    """On a terminal one line is overwritten; elsewhere each change of the text becomes a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._text = ""

    def update(self, text: str, *, more: str = "") -> None:
        """Show ``text``; ``more`` (a clock, a counter) is shown on terminals only."""
        text = clean(text)
        if not self._live:
            if text != self._text:
                self._write(text + "\n")
        elif not self._fits(f"{text}  {more}"):
            # A sentence that says what to do must not lose its end: it is printed once, whole.
            if text != self._text:
                self._write(f"{_ERASE}{text}\n")
            self._write(f"{_ERASE}{more or '…'}")
        else:
            self._write(f"{_ERASE}{text}  {more}".rstrip())
        self._text = text

    def clear(self) -> None:
        """Take the line away. Harmless when there is none."""
        if self._live and self._text:
            self._write(_ERASE)
            self._text = ""

    def _fits(self, line: str) -> bool:
        from rich.cells import cell_len

        return cell_len(line) < shutil.get_terminal_size().columns

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
