"""Requirement lines and what was started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clearq.sdk import code


@pytest.fixture(autouse=True)
def no_additions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "_added", {})


def test_added_requirements_win() -> None:
    code.add_requirement("Torch", "2.1")
    code.add_requirement("my_package", ">=3")
    code.add_requirement("plain")
    text = code.with_added("# head\ntorch==1.0\nmy-package==1\nnumpy==1.2\n")
    assert text.splitlines() == ["# head", "numpy==1.2", "Torch==2.1", "my_package>=3", "plain"]


def test_nothing_added_changes_nothing() -> None:
    text = "# head\nnumpy==1.2\nx @ git+https://host/x\n"
    assert code.with_added(text) == text


def test_requirements_from_lines_or_file(tmp_path: Path) -> None:
    assert code.requirement_lines(["a==1", "b"]) == "a==1\nb\n"
    assert code.requirement_lines([]) == ""
    (tmp_path / "r.txt").write_text("c\n")
    assert code.requirement_lines(tmp_path / "r.txt") == "c\n"


def test_what_was_started(tmp_path: Path) -> None:
    text = "from clearq.sdk.code import main_script; print(main_script())"
    (tmp_path / "prog.py").write_text(text)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__main__.py").write_text(text)

    def said(*argv: str) -> str:
        return subprocess.check_output([sys.executable, *argv], cwd=tmp_path, text=True).strip()

    assert said("prog.py") == str(tmp_path / "prog.py")
    assert said("-m", "prog") == "-m prog"
    assert said("-m", "pack") == "-m pack"
    assert said("-c", text) == "None"
