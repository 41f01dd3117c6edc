"""How tests run users' programs."""

from __future__ import annotations

import subprocess
from typing import Protocol


class Start(Protocol):
    """Starts a program: its text, then its arguments; ``env`` adds variables."""

    def __call__(self, code: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]: ...


class Program(Protocol):
    """The same, until it has ended."""

    def __call__(
        self, code: str, *arguments: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]: ...
