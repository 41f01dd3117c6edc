"""Chunks become lines: order, progress bars, garbage, long lines, open lines."""

from __future__ import annotations

from clearq.executors.lines import ENTRY_MAX, LineAssembler
from clearq.executors.output import Frame


def fed(*chunks: bytes, lines: LineAssembler | None = None, at: float = 0.0) -> list[str]:
    """The lines that chunks of stdout complete."""
    lines = lines or LineAssembler()
    return [entry.text for chunk in chunks for entry in lines.feed(Frame(at, "stdout", chunk))]


def test_lines_are_whole_however_they_arrive() -> None:
    assert fed(b"a\nb\n") == ["a\nb"]
    assert fed(b"on", b"e\ntw", b"o\n") == ["one", "two"]
    assert fed(b"\n\nx\n") == ["\n\nx"]


def test_streams_do_not_mix() -> None:
    lines = LineAssembler()
    lines.feed(Frame(1, "stdout", b"out "))
    (err,) = lines.feed(Frame(2, "stderr", b"err\n"))
    (out,) = lines.feed(Frame(3, "stdout", b"put\n"))
    assert (err.stream, err.text, err.at) == ("stderr", "err", 2)
    assert (out.stream, out.text, out.at) == ("stdout", "out put", 3)


def test_progress_bar_keeps_only_its_last_state() -> None:
    assert fed(b"\r 1%", b"\r 50%\r 9", b"9%\r100%\n") == ["100%"]
    assert fed(b"1%\r", b"2%\r", b"3%\r\n") == ["3%"]
    assert fed(b"before\n\r1%\r2%\nafter\n") == ["before\n2%\nafter"]


def test_windows_line_ends_are_line_ends() -> None:
    assert fed(b"a\r\nb\r", b"\nc\r\n") == ["a", "b\nc"]


def test_progress_bar_is_shown_now_and_then() -> None:
    lines = LineAssembler(quiet=0.5, progress_every=2.0)
    lines.feed(Frame(10.0, "stderr", b"\r1%"))
    assert [entry.text for entry in lines.due(10.0)] == ["1%"]
    for tenth in range(1, 20):
        lines.feed(Frame(10 + tenth / 10, "stderr", b"\r%d%%" % tenth))
        assert lines.due(10 + tenth / 10) == []
    assert lines.next_due() == 12.0
    assert [entry.text for entry in lines.due(12.0)] == ["19%"]
    lines.feed(Frame(13, "stderr", b"\r100%\ndone\n"))
    assert lines.next_due() is None


def test_open_line_is_shown_when_it_goes_quiet_and_its_newline_is_no_line() -> None:
    lines = LineAssembler(quiet=0.5)
    assert lines.feed(Frame(1.0, "stdout", b"Password: ")) == []
    assert lines.due(1.4) == []
    assert lines.next_due() == 1.5
    assert [entry.text for entry in lines.due(1.5)] == ["Password: "]
    assert lines.next_due() is None
    assert fed(b"\nnext\n", lines=lines) == ["next"]
    assert fed(b"\n", lines=lines) == [""], "from then on an empty line is a line"


def test_newline_alone_after_a_shown_part_says_nothing() -> None:
    lines = LineAssembler()
    lines.feed(Frame(1.0, "stdout", b"part"))
    assert lines.rest()
    assert fed(b"\n", lines=lines) == []
    assert fed(b"more\n", lines=lines) == ["more"]


def test_garbage_becomes_readable_and_colours_stay() -> None:
    assert fed(b"\xff\xfe\x00ok\n") == ["\ufffd\ufffdok"]
    assert fed(b"\x1b[31mred\x1b[0m\n") == ["\x1b[31mred\x1b[0m"]
    euro = "€".encode()
    assert fed(euro[:1], euro[1:] + b"\n") == ["€"]


def test_long_line_is_split_between_characters() -> None:
    text = "é" * 100_000  # two bytes each
    line = ("x" + text).encode()
    pieces = fed(line + b"\n")
    assert "".join(pieces) == "x" + text
    assert len(pieces) == 4
    assert all(len(piece.encode()) <= ENTRY_MAX for piece in pieces)


def test_line_without_end_does_not_grow_in_memory() -> None:
    lines = LineAssembler()
    given = sum(len(text) for text in fed(*[b"z" * 50_000] * 10, lines=lines))
    assert 500_000 - given <= ENTRY_MAX
    assert given + sum(len(entry.text) for entry in lines.rest()) == 500_000


def test_many_short_lines_are_cut_at_line_ends() -> None:
    data = b"".join(b"line %d\n" % number for number in range(20_000))
    pieces = fed(data)
    assert "\n".join(pieces).encode() + b"\n" == data
    assert len(pieces) > 1
    assert all(len(piece) <= ENTRY_MAX for piece in pieces)
