"""Pages."""

from __future__ import annotations

import json

import pytest

from clearq.cli import exits
from clearq.cli.help import pages
from clearq.cli.main import main


def test_every_exit_code_is_on_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "exit-codes"]) == 0
    page = capsys.readouterr().out
    for name in ("OK", "FAILED", "USAGE", "NOT_FOUND", "CONFLICT", "STORAGE", "TIMEOUT", "INTERRUPTED", "BROKEN_PIPE"):
        assert f"\n| {getattr(exits, name)} |" in page


def test_pages_are_listed_with_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed == pages()
    assert listed["exit-codes"] == "Exit codes"


def test_help_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "queue", "move"]) == 0
    assert "usage: clearq queue move" in capsys.readouterr().out


def test_an_unknown_page_lists_the_pages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "nothing"]) == exits.NOT_FOUND
    assert "exit-codes" in capsys.readouterr().err
