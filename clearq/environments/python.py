"""Which interpreter: the one asked for when the machine has it. Python is never installed (row C-003)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Interpreter:
    """An interpreter of this machine."""

    path: Path
    version: str  #: such as ``3.11``
    note: str = ""  #: what the task's log should say about the choice


def choose_python(binary: str) -> Interpreter:
    """The interpreter for a task that was recorded with ``binary`` (``python3.11``, a path, or empty).

    Looks at files only; starts nothing. Where the version is missing, the agent's own is taken.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = version_of(binary)
    if wanted in ("", own):
        return Interpreter(own_python(), own)
    if (found := next(_candidates(wanted), None)) is not None:
        return Interpreter(found, wanted)
    return Interpreter(own_python(), own, f"Python {wanted} is not on this machine: Python {own} of the agent is used")


def version_of(binary: str) -> str:
    """``3.11`` in ``python3.11`` or ``/opt/python3.11/bin/python3.11.4``; empty when none is named."""
    found = re.search(r"(?:^|[^\d.])(\d+\.\d+)(?:\.\d+)?$", binary.strip())
    return found[1] if found else ""


def own_python() -> Path:
    """The interpreter below the agent's own environment."""
    return Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += [Path("/usr/local/bin"), Path("/usr/bin"), Path("/opt/homebrew/bin")]
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    managed = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python")).expanduser()
    for root, pattern in ((pyenv, f"{version}.*"), (managed, f"cpython-{version}.*")):
        folders += [found / "bin" for found in sorted(root.glob(pattern), reverse=True)]
    for folder in folders:
        # A shim is a script that may or may not find the version it is named for.
        if folder.name != "shims" and os.access(folder / name, os.X_OK):
            yield folder / name
