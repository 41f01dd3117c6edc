"""Tables, pages and JSON."""

from __future__ import annotations

import io
import json

import pytest

from clearq.cli.output import Cell, Column, Output, status_cell
from clearq.cli.status_line import StatusLine
from clearq.models import Queue

COLUMNS = [Column("ID"), Column("NAME", shrinks=True), Column("STATUS"), Column("COUNT", right=True, drop=1)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def output(width: int | None = None, *, terminal: bool = False, json: bool = False) -> tuple[Output, io.StringIO]:
    stream = Terminal() if terminal else io.StringIO()
    return Output(json=json, width=width, stdout=stream, stderr=io.StringIO()), stream


def test_a_table_never_exceeds_the_terminal_nor_breaks_lines() -> None:
    from rich.cells import cell_len

    names = ["x" * 10_000, "🚀 日本語" * 30, "new\nline\x1b[2J", "[bold]markup[/bold]", ":smile:"]
    for width in (40, 80, 120):
        out, stream = output(width)
        out.table(COLUMNS, [("0" * 12, name, status_cell("queued"), "7") for name in names], empty="")
        lines = stream.getvalue().splitlines()
        assert len(lines) == len(names) + 1
        assert max(cell_len(line) for line in lines) <= width
        assert "\x1b" not in stream.getvalue()


def test_markup_in_names_is_text() -> None:
    out, stream = output(80)
    out.table([Column("NAME")], [("[bold]x[/bold] :smile:",)], empty="")
    assert stream.getvalue().splitlines()[1] == "[bold]x[/bold] :smile:"


def test_names_of_fields_are_safe_for_a_terminal() -> None:
    out, stream = output(80)
    out.fields([("Args/\x1b[2J\nlr", "0.1")])
    assert stream.getvalue() == "Args/\\x1b[2J\\nlr  0.1\n"


def test_columns_are_aligned() -> None:
    out, stream = output(80)
    out.table(COLUMNS, [("a", "b", "queued", "7"), ("aa", "bb", "failed", "1,000")], empty="")
    assert stream.getvalue().splitlines() == [
        "ID  NAME  STATUS  COUNT",
        "a   b     queued      7",
        "aa  bb    failed  1,000",
    ]


def test_colour_is_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    red = "\x1b[31m"
    for terminal, no_color, coloured in ((True, "", True), (True, "1", False), (False, "", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        out, stream = output(80, terminal=terminal)
        out.table([Column("STATUS")], [(status_cell("failed"),)], empty="")
        assert (red in stream.getvalue()) is coloured


def test_an_empty_table_says_what_to_do_on_stderr() -> None:
    stderr = io.StringIO()
    out = Output(stdout=io.StringIO(), stderr=stderr)
    out.table(COLUMNS, [], empty="no tasks; submit one")
    assert stderr.getvalue() == "no tasks; submit one\n"


def test_fields_wrap_under_their_values_and_leave_out_empty_ones() -> None:
    out, stream = output(40)
    out.fields([("Name", "word " * 12), ("Empty", ""), ("Id", Cell("7", "red"))])
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("Name  word")
    assert lines[1].startswith("      word")
    assert lines[-1] == "Id    7"
    assert max(map(len, lines)) <= 40


def test_json_has_whole_values_of_models() -> None:
    out, stream = output(json=True)
    out.data([Queue(id="q", name="a\nb" * 3000)])
    assert json.loads(stream.getvalue())[0]["name"] == "a\nb" * 3000
    out.record({"a": (1, 2)})
    assert stream.getvalue().endswith('{"a":[1,2]}\n')


def test_a_status_line_is_overwritten_on_a_terminal() -> None:
    stream = Terminal()
    with StatusLine(stream) as line:
        line.update("waiting\n for it", more="3s")
    assert "waiting\\n for it  3s" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_elsewhere_each_change_of_it_is_one_line() -> None:
    stream = io.StringIO()
    with StatusLine(stream) as line:
        for text, clock in (("one", "1s"), ("one", "2s"), ("two", "3s")):
            line.update(text, more=clock)
            line.clear()
    assert stream.getvalue() == "one\ntwo\n"


def test_a_sentence_that_does_not_fit_is_printed_once_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    sentence = "nobody serves it; start one with: clearq agent --queue default"
    with StatusLine(stream) as line:
        line.update(sentence, more="1s")
        line.update(sentence, more="2s")
    assert stream.getvalue().count(sentence + "\n") == 1
    assert "2s" in stream.getvalue()
