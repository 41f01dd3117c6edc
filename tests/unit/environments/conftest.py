"""Git repositories made for one test, and a log that collects what is said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def plain_git(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No configuration of whoever runs the tests."""
    empty = tmp_path_factory.mktemp("config") / "gitconfig"
    empty.write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(empty))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in [name for name in os.environ if name.startswith("GIT_") and "CONFIG" not in name]:
        monkeypatch.delenv(name)


@pytest.fixture
def git() -> Git:
    """``git(folder, "commit", ...)`` gives its output."""

    def call(folder: Path, *args: str) -> str:
        done = subprocess.run(("git", *args), cwd=folder, check=True, capture_output=True)
        return done.stdout.decode().removesuffix("\n")

    return call


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Path:
    """A repository with one commit: ``train.py`` and ``src/model.py``."""
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "train.py").write_text("print('one')\n")
    (root / "src" / "model.py").write_text("SIZE = 1\n")
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-qm", "One")
    return root


@pytest.fixture
def said() -> list[str]:
    """Pass ``said.append`` where a log is wanted."""
    return []
