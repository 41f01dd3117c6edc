"""What a command line means."""

from __future__ import annotations

import pytest

from clearq.cli.command import PythonCommand, default_name, recognise


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["python", "train.py", "--lr", "0.1"], PythonCommand("train.py", ("--lr", "0.1"))),
        (["python3", "-u", "a/b.py"], PythonCommand("a/b.py", unbuffered=True)),
        (["python3.12", "x.py"], PythonCommand("x.py", binary="python3.12")),
        ([".venv/bin/python", "-m", "pkg.main", "-v"], PythonCommand("-m pkg.main", ("-v",))),
        (["./train.py", "1"], PythonCommand("./train.py", ("1",))),
    ],
)
def test_python_commands_are_recognised(words: list[str], command: PythonCommand) -> None:
    assert recognise(words) == command


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nvidia-smi"],
        ["python"],
        ["python", "-c", "print(1)"],
        ["python", "-m"],
        ["python", "-O", "x.py"],
        ["pythonista", "x"],
        ["bash", "train.py"],
    ],
)
def test_other_commands_are_left_as_they_are(words: list[str]) -> None:
    assert recognise(words) is None


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["python", "dir/train.py"], "train"),
        (["python", "-m", "pkg.main"], "pkg.main"),
        (["/usr/bin/nvidia-smi", "-L"], "nvidia-smi"),
        (["/"], "/"),
    ],
)
def test_names_come_from_the_command(words: list[str], name: str) -> None:
    assert default_name(words) == name
