"""What the command line prints: tables and pages for people, JSON for programs.

Results go to stdout, everything else (notes, progress, errors) to stderr. Colour only on a terminal and
never with ``NO_COLOR``. rich is loaded when the first table is printed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from clearq.cli.layout import Column, fit
from clearq.cli.status_line import StatusLine
from clearq.cli.text import clean, clean_lines

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Cell", "Column", "Output"]

#: Longest cell of a table that is not cut by the terminal's width (characters).
CELL_MAX = 80

#: Styles of words that mean the same everywhere.
STYLES: Mapping[str, str] = {
    "completed": "green",
    "published": "green",
    "failed": "red",
    "dead": "red",
    "lost": "red",
    "in_progress": "cyan",
    "queued": "yellow",
    "paused": "yellow",
    "stopped": "magenta",
    "created": "dim",
}


@dataclass(frozen=True)
class Cell:
    """A table cell with a style of its own; a plain ``str`` will do where none is wanted."""

    text: str
    style: str = ""


def status_cell(text: str) -> Cell:
    """A status word (with or without an addition in brackets) in its colour."""
    return Cell(text, STYLES.get(text.split(" ")[0], ""))


class Output:
    """Prints results. ``json`` says whether the caller asked for JSON; ``width`` is for tests."""

    def __init__(
        self,
        *,
        json: bool = False,
        width: int | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.json = json
        self._stdout, self._stderr = stdout or sys.stdout, stderr or sys.stderr
        self._width = width
        self._console: Console | None = None

    @property
    def terminal(self) -> bool:
        """Does a person look at stdout?"""
        return self._stdout.isatty()

    @property
    def width(self) -> int | None:
        """Columns of the terminal; ``None`` when stdout is none, which then takes lines of any length."""
        if self._width is not None:
            return self._width
        return shutil.get_terminal_size().columns if self.terminal else None

    @property
    def console(self) -> Console:
        """rich's console on stdout, without any markup, emoji codes or highlighting."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(
                file=self._stdout,
                width=self.width or 100,
                markup=False,
                emoji=False,
                highlight=False,
                no_color=bool(os.environ.get("NO_COLOR")) or None,
            )
        return self._console

    def data(self, value: Any) -> None:
        """One JSON document: indented, times in seconds since the epoch, ids whole."""
        self._stdout.write(_dump(value, indent=True) + "\n")

    def record(self, value: Any) -> None:
        """One JSON document on one line, at once: for streams such as ``logs --follow --json``."""
        self._stdout.write(_dump(value, indent=False) + "\n")
        self._stdout.flush()

    def say(self, text: str = "") -> None:
        """A result in words, on stdout. Line breaks stay; control characters are escaped."""
        self._stdout.write(clean_lines(text) + "\n")
        self._stdout.flush()

    def raw(self, text: str) -> None:
        """Text that is not ours to change, such as a task's own output."""
        self._stdout.write(text)
        self._stdout.flush()

    def raw_error(self, text: str) -> None:
        """As :meth:`raw`, to stderr."""
        self._stdout.flush()
        self._stderr.write(text)
        self._stderr.flush()

    def note(self, text: str) -> None:
        """A word beside the result (what to do next, progress), on stderr."""
        self._stderr.write(clean_lines(text) + "\n")
        self._stderr.flush()

    def status(self) -> StatusLine:
        """A line on stderr that is overwritten by what follows; use it as a context manager."""
        return StatusLine(self._stderr)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str | Cell]], *, empty: str) -> None:
        """An aligned table; ``empty`` (a sentence on what to do) is noted when there are no rows.

        On a narrow terminal wide columns shrink first, then those with the highest ``drop`` go.
        """
        cells = [[_cell(each) for each in row] for row in rows]
        if not cells:
            self.note(empty)
            return
        texts = [[cell.text for cell in row] for row in cells]
        shown = fit(columns, texts, self.width)
        self._line([(Cell(columns[i].title, "bold"), columns[i], width) for i, width in shown])
        for row in cells:
            self._line([(row[i], columns[i], width) for i, width in shown])
        self._stdout.flush()

    def fields(self, pairs: Iterable[tuple[str, str | Cell]]) -> None:
        """A page of ``name  value`` lines; empty values are left out, long ones wrap under themselves."""
        kept = [(clean(name), _cell(value, None)) for name, value in pairs]  # a parameter's name is anybody's text
        kept = [(name, cell) for name, cell in kept if cell.text]
        if not kept:
            return
        indent = max(len(name) for name, _ in kept) + 2
        for name, cell in kept:
            self._field(name.ljust(indent), cell)
        self._stdout.flush()

    def heading(self, text: str) -> None:
        """A blank line and a title above what follows."""
        from rich.text import Text

        self._stdout.write("\n")
        self.console.print(Text(clean(text), style="bold"), soft_wrap=True)

    def _field(self, name: str, cell: Cell) -> None:
        from rich.text import Text

        text = Text(cell.text, style=cell.style)
        room = (self.width or 10_000_000) - len(name)
        lines = text.wrap(self.console, max(room, 20)) if text.cell_len > room else [text]
        for index, line in enumerate(lines):
            line.rstrip()
            head = Text.assemble((name if index == 0 else " " * len(name), "bold"), line)
            self.console.print(head, soft_wrap=True)

    def _line(self, parts: Sequence[tuple[Cell, Column, int]]) -> None:
        from rich.text import Text

        line = Text()
        for index, (cell, column, width) in enumerate(parts):
            last = index == len(parts) - 1
            text = Text(cell.text, style=cell.style)
            text.truncate(width, overflow="ellipsis")
            space = " " * (width - text.cell_len)
            line.append_text(Text(space) + text if column.right else text if last else text + Text(space))
            if not last:
                line.append("  ")
        self.console.print(line, soft_wrap=True)


def _cell(value: str | Cell, limit: int | None = CELL_MAX) -> Cell:
    cell = value if isinstance(value, Cell) else Cell(value)
    return Cell(clean(cell.text, limit), cell.style)


def _dump(value: Any, *, indent: bool) -> str:
    import orjson

    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    return orjson.dumps(value, default=_plain, option=option).decode()


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)
