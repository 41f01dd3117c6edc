"""A wrong argument is a type checker's error, and a right one is none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("refused.py")
ROOT = Path(__file__).parents[2]


def test_mypy_refuses_just_the_wrong_lines(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path), str(FILE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lines = FILE.read_text(encoding="utf-8").splitlines()
    expected = {number for number, line in enumerate(lines, start=1) if line.endswith("# error")}
    found = {int(number) for number in re.findall(r"refused\.py:(\d+): error", done.stdout)}
    assert expected
    assert found == expected, done.stdout + done.stderr
