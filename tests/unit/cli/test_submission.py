"""What of a directory travels."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.cli.command import PythonCommand
from clearq.cli.local_code import capture_here
from clearq.environments.record import is_local
from clearq.errors import UsageError
from clearq.models import Script
from clearq.settings import Settings


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside any repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def captured(folder: Path, notes: list[str], text: str, requirements: str | None = None) -> Script:
    (folder / "x.py").write_text(text)
    command = PythonCommand("x.py", ("1",))
    return capture_here(command, folder, same_host=True, requirements=requirements, note=notes.append)


def test_packages_are_those_that_a_lone_script_imports(folder: Path, notes: list[str]) -> None:
    script = captured(folder, notes, "import os, orjson\nimport not_installed_anywhere\n")
    assert script.requirements is not None
    assert "orjson==" in script.requirements
    assert any("not_installed_anywhere" in note for note in notes)
    assert not any("orjson" in note for note in notes)


def test_a_requirements_file_beside_it_is_taken(folder: Path, notes: list[str]) -> None:
    (folder / "requirements.txt").write_text("six==1.16\n")
    assert captured(folder, notes, "import orjson\n").requirements == "six==1.16\n"


def test_a_list_inside_the_script_is_left_to_the_worker(folder: Path, notes: list[str]) -> None:
    text = '# /// script\n# dependencies = ["six"]\n# ///\nimport six\n'
    assert captured(folder, notes, text).requirements is None


def test_the_users_own_list_wins(folder: Path, notes: list[str]) -> None:
    (folder / "requirements.txt").write_text("six==1.16\n")
    assert captured(folder, notes, "import six\n", "attrs\n").requirements == "attrs\n"


def test_a_missing_script_is_a_usage_error(folder: Path, notes: list[str]) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        capture_here(PythonCommand("none.py"), folder, same_host=True, requirements=None, note=notes.append)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("", True),
        ("unix:///run/x.sock", True),
        ("redis://localhost:6379/0", True),
        ("redis://:pw@127.0.0.1", True),
        ("redis://[::1]:6379", True),
        ("rediss://redis.lab:6379", False),
        ("redis://10.0.0.5", False),
    ],
)
def test_workers_of_a_local_server_share_our_files(url: str, local: bool) -> None:
    assert is_local(Settings(url=SecretStr(url))) is local
