"""What a command line means: Python code that can travel, or something only this host can run. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

_INTERPRETER = re.compile(r"python(\d(\.\d+)?)?")


@dataclass(frozen=True)
class PythonCommand:
    """``python [-u] script.py …`` or ``python [-u] -m module …``."""

    entry_point: str  #: path of the script, or ``-m module``
    argv: tuple[str, ...] = ()
    binary: str = ""  #: ``python3.12`` when a version was asked for
    unbuffered: bool = False

    @property
    def module(self) -> bool:
        """Is it started by ``-m``?"""
        return self.entry_point.startswith("-m ")


def recognise(words: Sequence[str]) -> PythonCommand | None:
    """The Python program that ``words`` start; ``None`` when it is another command.

    ``train.py`` alone counts as ``python train.py``. Interpreter options other than ``-u`` and ``-m`` are not
    carried over, so such a command is left as it is.
    """
    if not words:
        return None
    program = PurePath(words[0]).name
    if program.endswith(".py"):
        return PythonCommand(words[0], tuple(words[1:]))
    if not _INTERPRETER.fullmatch(program):
        return None
    rest = list(words[1:])
    unbuffered = bool(rest) and rest[0] == "-u"
    if unbuffered:
        rest.pop(0)
    binary = program if "." in program else ""
    if rest[:1] == ["-m"] and len(rest) > 1:
        return PythonCommand(f"-m {rest[1]}", tuple(rest[2:]), binary, unbuffered)
    if rest and not rest[0].startswith("-"):
        return PythonCommand(rest[0], tuple(rest[1:]), binary, unbuffered)
    return None


def default_name(words: Sequence[str]) -> str:
    """A task's name from its command: ``train``, ``package.module``, ``nvidia-smi``."""
    command = recognise(words)
    if command is None:
        return PurePath(words[0]).name or words[0] if words else "task"
    if command.module:
        return command.entry_point.removeprefix("-m ")
    return PurePath(command.entry_point).stem or command.entry_point
