"""Where a task's packages come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clearq.environments.requirementlines import is_local, names_clearq, read_lines
from clearq.environments.requirements import Requirements, resolve_requirements
from clearq.errors import EnvironmentFailed
from clearq.models import Script


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A checkout with ``jobs/deep/train.py``."""
    folder = tmp_path / "code"
    (folder / "jobs" / "deep").mkdir(parents=True)
    (folder / "jobs" / "deep" / "train.py").write_text("import os\n")
    return folder


def resolved(code: Path, **fields: Any) -> Requirements:
    return resolve_requirements(Script(**{"entry_point": "jobs/deep/train.py", **fields}), code)


def test_the_tasks_own_list_wins(code: Path) -> None:
    (code / "requirements.txt").write_text("numpy\n")
    found = resolved(code, requirements="# Python 3.11\nsix==1.16.0  # pinned\n\nidna ; python_version > '3'\n")
    assert found.lines == ("six==1.16.0", "idna ; python_version > '3'")
    assert found.source == "the task"


@pytest.mark.parametrize("own", [None, "", "  \n"])
def test_an_empty_list_means_the_repositorys(code: Path, own: str | None) -> None:
    (code / "requirements.txt").write_text("numpy\n")
    found = resolved(code, requirements=own)
    assert (found.lines, found.source) == (("numpy",), "requirements.txt")


def test_a_list_of_comments_means_no_packages(code: Path) -> None:
    (code / "requirements.txt").write_text("numpy\n")
    assert resolved(code, requirements="# Python 3.11\n").lines == ()


def test_nothing_anywhere_means_no_packages(code: Path) -> None:
    found = resolved(code)
    assert (found.lines, found.clearq, found.shareable) == ((), False, True)


def test_the_nearest_file_counts(code: Path) -> None:
    (code / "requirements.txt").write_text("far\n")
    (code / "jobs" / "requirements.txt").write_text("near\n")
    assert resolved(code).lines == ("near",)
    assert resolved(code, working_dir="jobs", entry_point="deep/train.py").lines == ("near",)
    assert resolved(code, entry_point="-m jobs.deep.train").lines == ("far",)
    assert resolved(code, working_dir="jobs", entry_point="-m deep.train").lines == ("near",)


def test_files_above_the_checkout_do_not_count(code: Path) -> None:
    (code.parent / "requirements.txt").write_text("outside\n")
    assert resolved(code).lines == ()


def test_a_lock_file_comes_before_a_list_and_a_list_before_the_project(code: Path) -> None:
    project = code / "pyproject.toml"
    project.write_text('[project]\nname = "x"\nversion = "1"\ndependencies = ["idna>3", "six"]\n')
    assert resolved(code).lines == ("idna>3", "six")
    (code / "requirements.txt").write_text("listed\n")
    assert resolved(code).lines == ("listed",)
    (code / "uv.lock").write_text("version = 1\n")
    found = resolved(code)
    assert (found.lock, found.lines, found.source) == (code / "uv.lock", (), "uv.lock")
    project.write_text(project.read_text() + "# changed\n")
    assert resolved(code).key != found.key


def test_a_script_may_list_its_own(code: Path) -> None:
    (code / "requirements.txt").write_text("numpy\n")
    head = "# /// script\r\n# dependencies = [\r\n#   'six',\r\n# ]\r\n# ///\r\nprint()\r\n"
    (code / "jobs" / "deep" / "train.py").write_bytes(head.encode())
    assert resolved(code).lines == ("six",)


def test_sources_of_the_project_are_kept(code: Path) -> None:
    (code / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["a>1", "b", "c"]\n'
        "[tool.uv.sources]\n"
        'a = { git = "https://example.org/a", tag = "v1" }\nb = { path = "libs/b" }\n'
    )
    found = resolved(code)
    assert found.lines[0] == "a @ git+https://example.org/a@v1"
    assert found.lines[1].endswith("/libs/b") and not found.shareable
    assert found.lines[2] == "c"


def test_broken_toml_is_said(code: Path) -> None:
    (code / "pyproject.toml").write_text("[project\n")
    with pytest.raises(EnvironmentFailed, match=r"pyproject\.toml.*not valid TOML"):
        resolved(code)


def test_clearq_is_taken_out_and_remembered(code: Path) -> None:
    found = resolved(code, requirements="six\nclearq[s3] == 0.0.1\nclearq\nclearq-plugin\n")
    assert (found.lines, found.clearq, found.extras) == (("six", "clearq-plugin"), True, "[s3]")


def test_code_that_imports_clearq_gets_it(code: Path) -> None:
    (code / "jobs" / "deep" / "train.py").write_text("import helper\n")
    (code / "jobs" / "deep" / "helper.py").write_text("from clearq import Task\n")
    assert resolved(code, requirements="six\n").clearq
    (code / "uv.lock").write_text('version = 1\n[[package]]\nname = "clearq"\n')
    (code / "pyproject.toml").write_text("")
    (code / "jobs" / "deep" / "helper.py").write_text("")
    assert resolved(code).clearq


def test_paths_stay_in_the_checkout(code: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="leads out"):
        resolved(code, working_dir="../..")


def test_included_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text("-r../other.txt\nsix\\\n  ==1.16.0\n")
    (tmp_path / "other.txt").write_text("\ufeffidna\n")
    (tmp_path / "bounds.txt").write_text("numpy<2\n")
    found = read_lines("-r more/base.txt\r\n--constraint=bounds.txt\nx  # why\n", tmp_path)
    assert (found.lines, found.constraints) == (("idna", "six   ==1.16.0", "x"), ("numpy<2",))


def test_missing_and_circular_includes_are_said(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"gone\.txt.*commit that file"):
        read_lines("-r gone.txt", tmp_path)
    (tmp_path / "a.txt").write_text("-r a.txt\n")
    with pytest.raises(EnvironmentFailed, match="includes itself"):
        read_lines("-r a.txt", tmp_path)


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("six", False),
        ("six==1.0", False),
        ("a-b.c[x,y]>=1,<2 ; sys_platform == 'linux'", False),
        ("pkg @ https://example.org/pkg.whl", False),
        ("git+https://example.org/x.git@v1", False),
        ("--extra-index-url https://example.org/simple", False),
        ("--pre", False),
        ("-e .", True),
        ("--editable=./x", True),
        (".", True),
        ("./libs/x", True),
        ("libs/x", True),
        ("/opt/x", True),
        ("x-1.0-py3-none-any.whl", True),
        ("x @ file:///opt/x.whl", True),
        ("--find-links ./wheels", True),
        ("-f https://example.org/wheels", False),
    ],
)
def test_local_lines(line: str, local: bool) -> None:
    assert is_local(line) is local


@pytest.mark.parametrize(
    ("line", "extras"),
    [
        ("clearq", ""),
        ("ClearQ==0.1", ""),
        ("clearq[s3, hpo] >= 1", "[s3,hpo]"),
        ("clearq @ file:///x.whl", ""),
        ("clearq;python_version>'3'", ""),
        ("clearq-x", None),
        ("clearqx", None),
        ("xclearq", None),
        ("clearq.x", None),
    ],
)
def test_lines_that_mean_clearq(line: str, extras: str | None) -> None:
    assert names_clearq(line) == extras
