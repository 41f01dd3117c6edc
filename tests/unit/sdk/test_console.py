"""Console capture."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clearq.sdk.console import ConsoleCapture

Lines = list[tuple[str, str]]


@contextmanager
def capturing(lines: Lines) -> Iterator[ConsoleCapture]:
    """Not a fixture: pytest changes the streams between a fixture and its test."""
    capture = ConsoleCapture(lambda at, stream, text: lines.append((stream, text)))
    capture.install()
    try:
        yield capture
    finally:
        capture.remove()


def test_lines_reach_both() -> None:
    lines: Lines = []
    terminal, sys.stdout = sys.stdout, io.StringIO()
    try:
        with capturing(lines):
            print("one")
            print("two", end="", file=sys.stderr)
            sys.stderr.write(" more\n")
            sys.stdout.writelines(["a\n", "b\n"])
        assert sys.stdout.getvalue() == "one\na\nb\n"
    finally:
        sys.stdout = terminal
    assert lines == [("stdout", "one"), ("stderr", "two more"), ("stdout", "a"), ("stdout", "b")]


def test_progress_bars_collapse() -> None:
    lines: Lines = []
    with capturing(lines):
        for percent in range(5):
            sys.stderr.write(f"\r{percent} %")
        sys.stderr.write("\n")
    assert lines[-1] == ("stderr", "4 %")
    assert len(lines) <= 2


def test_the_rest_of_a_line_is_handed_on_at_the_end() -> None:
    lines: Lines = []
    with capturing(lines) as capture:
        sys.stdout.write("unfinished")
        capture.remove()
        assert lines == [("stdout", "unfinished")]


def test_streams_are_given_back() -> None:
    lines: Lines = []
    before = sys.stdout, sys.stderr
    with capturing(lines):
        held = sys.stdout
    assert (sys.stdout, sys.stderr) == before
    print("still usable", file=held)
    assert not lines


def test_a_stream_put_on_top_stays() -> None:
    mine, terminal = io.StringIO(), sys.stdout
    try:
        with capturing([]):
            sys.stdout = mine
        assert sys.stdout is mine
    finally:
        sys.stdout = terminal


def test_it_is_still_a_stream() -> None:
    with capturing([]):
        assert sys.stdout.encoding
        assert sys.stdout.writable()
        assert sys.stdout.isatty() in (True, False)
