"""What is recorded of a directory brings back the very same files elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from clearq.environments.capture import MAX_DIFF, capture, entry_file
from clearq.environments.git import Checkout
from clearq.errors import SpecError
from clearq.models import Script

Said = list[str]


@pytest.fixture
def pushed(repository: Path, tmp_path: Path, git: Any) -> Path:
    """The repository with a remote that has its commit."""
    git(tmp_path, "clone", "-q", "--bare", str(repository), "remote.git")
    git(repository, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(repository, "fetch", "-q", "origin")
    git(repository, "branch", "-q", "--set-upstream-to=origin/main", "main")
    return repository


async def again(script: Script, tmp_path: Path) -> Path:
    """The script's code, brought back to a new folder."""
    return await Checkout(tmp_path / "home").checkout(script, tmp_path / "again", lambda line: None)


async def test_a_pushed_commit_is_recorded_by_its_remote(pushed: Path, tmp_path: Path, git: Any, said: Said) -> None:
    script = capture(pushed, "train.py", warn=said.append)
    assert script.repository == str(tmp_path / "remote.git")
    assert (script.branch, script.entry_point, script.working_dir) == ("main", "train.py", "")
    assert script.commit == git(pushed, "rev-parse", "HEAD")
    assert (script.diff, said, script.requirements) == ("", [], None)


async def test_changed_new_binary_and_oddly_named_files_come_back(pushed: Path, tmp_path: Path, git: Any) -> None:
    files = {
        "train.py": b"print('changed')\r\n",
        "src/model.py": "SIZE = 'é'\n".encode("latin-1"),
        "a b\n\u00fc\U0001f600.py": b"X = 1\n",
        "blob.bin": bytes(range(256)),
    }
    for name, data in files.items():
        (pushed / name).write_bytes(data)
    git(pushed, "add", "-N", ".")
    root = await again(capture(pushed, "train.py"), tmp_path)
    assert {name: (root / name).read_bytes() for name in files} == files


async def test_deleted_and_renamed_files_stay_so(pushed: Path, tmp_path: Path, git: Any) -> None:
    git(pushed, "mv", "train.py", "fit.py")
    (pushed / "src" / "model.py").unlink()
    root = await again(capture(pushed, "fit.py"), tmp_path)
    assert sorted(path.name for path in root.iterdir() if path.is_file()) == ["fit.py"]


async def test_an_untracked_script_and_what_it_imports_travel_along(pushed: Path, tmp_path: Path, git: Any) -> None:
    (pushed / "sweep one.py").write_text("import helper\nimport src.extra\n")
    (pushed / "helper.py").write_text("import deep\n")
    (pushed / "deep.py").write_text("")
    (pushed / "src" / "extra.py").write_text("Y = 2\n")
    (pushed / "unrelated.py").write_text("")
    index = (pushed / ".git" / "index").read_bytes()
    script = capture(pushed, "sweep one.py")
    assert (pushed / ".git" / "index").read_bytes() == index, "the user's index is left alone"
    root = await again(script, tmp_path)
    assert (root / "sweep one.py").read_text() == "import helper\nimport src.extra\n"
    assert (root / "src" / "extra.py").read_text() == "Y = 2\n"
    assert (root / "deep.py").read_bytes() == b""
    assert not (root / "unrelated.py").exists()


async def test_an_ignored_script_travels_too(pushed: Path, tmp_path: Path) -> None:
    (pushed / ".gitignore").write_text("*.local.py\n")
    (pushed / "my.local.py").write_text("1\n")
    assert (await again(capture(pushed, "my.local.py"), tmp_path) / "my.local.py").read_text() == "1\n"


async def test_the_users_git_configuration_does_not_change_the_patch(pushed: Path, tmp_path: Path, git: Any) -> None:
    for key, value in {
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "color.diff": "always",
        "diff.external": "false",
        "diff.context": "0",
        "diff.relative": "true",
        "core.autocrlf": "input",
        "diff.renames": "copies",
    }.items():
        git(pushed, "config", key, value)
    (pushed / "src" / "model.py").write_text("SIZE = 3\n")
    script = capture(pushed / "src", "model.py")
    assert (script.working_dir, script.entry_point) == ("src", "model.py")
    assert (await again(script, tmp_path) / "src" / "model.py").read_text() == "SIZE = 3\n"


def test_inside_a_git_hook_the_folder_counts(
    pushed: Path, tmp_path: Path, git: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert capture(pushed, "train.py").repository == str(tmp_path / "remote.git")


def test_a_commit_that_was_not_pushed_is_named_by_its_folder(pushed: Path, git: Any, said: Said) -> None:
    (pushed / "train.py").write_text("2\n")
    git(pushed, "commit", "-qam", "Two")
    script = capture(pushed, "train.py", warn=said.append)
    assert (script.repository, script.diff) == (str(pushed), "")
    assert len(said) == 1 and "not pushed" in said[0]


async def test_for_other_hosts_it_is_a_diff_from_the_newest_pushed_one(pushed: Path, tmp_path: Path, git: Any) -> None:
    base = git(pushed, "rev-parse", "HEAD")
    (pushed / "train.py").write_text("2\n")
    git(pushed, "commit", "-qam", "Two")
    (pushed / "src" / "model.py").write_text("SIZE = 9\n")
    script = capture(pushed, "train.py", same_host=False)
    assert (script.repository, script.commit) == (str(tmp_path / "remote.git"), base)
    root = await again(script, tmp_path)
    assert (root / "train.py").read_text() == "2\n"
    assert (root / "src" / "model.py").read_text() == "SIZE = 9\n"


def test_a_repository_without_remote_is_named_by_its_folder(repository: Path, said: Said) -> None:
    assert capture(repository, "train.py", warn=said.append).repository == str(repository)
    assert said == []
    capture(repository, "train.py", same_host=False, warn=said.append)
    assert "only agents on this very host" in said[0]


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://ada:s3cret@example.org/x.git", "https://example.org/x.git"),
        ("https://t0ken@example.org/x.git", "https://example.org/x.git"),
        ("ssh://git:s3cret@example.org:22/x.git", "ssh://git@example.org:22/x.git"),
        ("git@example.org:x.git", "git@example.org:x.git"),
    ],
)
def test_credentials_are_never_recorded(pushed: Path, git: Any, url: str, recorded: str) -> None:
    git(pushed, "remote", "set-url", "origin", url)
    assert capture(pushed, "train.py").repository == recorded


def test_working_directory_and_entry_point_as_they_were_called(pushed: Path, git: Any, said: Said) -> None:
    script = capture(pushed / "src", "../train.py")
    assert (script.working_dir, script.entry_point) == ("src", "../train.py")
    script = capture(Path("/"), pushed / "src" / "model.py", warn=said.append)
    assert (script.working_dir, script.entry_point) == ("", "src/model.py")
    assert "outside" in said[0]


def test_modules_are_recorded_by_name(pushed: Path) -> None:
    script = capture(pushed, "-m src.model")
    assert (script.entry_point, script.working_dir) == ("-m src.model", "")
    assert entry_file(pushed, "-m src.model") == pushed / "src" / "model.py"
    assert entry_file(pushed, "-m timeit") is None


def test_an_interactive_session_has_no_entry_point(pushed: Path) -> None:
    assert capture(pushed, None).entry_point == ""


def test_outside_git_the_text_travels(tmp_path: Path, said: Said) -> None:
    text = "import helper\nprint('\u00e9')\r\n"
    (tmp_path / "alone.py").write_bytes(text.encode())
    (tmp_path / "helper.py").write_text("")
    script = capture(tmp_path, "alone.py", warn=said.append)
    assert script == Script(diff=text, entry_point="alone.py")
    assert "helper.py stays here" in said[0]


def test_a_repository_without_commits_counts_as_none(tmp_path: Path, git: Any) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1")
    assert capture(tmp_path, "a.py") == Script(diff="1", entry_point="a.py")


def test_without_git_the_text_travels(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert capture(repository, "train.py").diff == "print('one')\n"


def test_too_much_is_refused_with_advice(pushed: Path, tmp_path: Path) -> None:
    (pushed / "train.py").write_text("#" * MAX_DIFF)
    with pytest.raises(SpecError, match=r"may travel with a task.*commit"):
        capture(pushed, "train.py")
    (tmp_path / "big.py").write_text("#" * (MAX_DIFF + 1))
    with pytest.raises(SpecError, match="git repository"):
        capture(tmp_path, "big.py")


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        capture(tmp_path, "nowhere.py")


async def test_a_link_to_the_repository_works(pushed: Path, tmp_path: Path) -> None:
    os.symlink(pushed, tmp_path / "link")
    assert capture(tmp_path / "link" / "src", "model.py").working_dir == "src"
