"""Imports become pinned packages, without running anything of the user's."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clearq.environments.imports import scan
from clearq.environments.packages import capture_requirements

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """``install("Name", "1.0", "module/__init__.py", ...)`` makes an installed distribution."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [str(site)])

    def make(name: str, version: str, *files: str, url: object = None, top: str = "") -> None:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        if top:
            (info / "top_level.txt").write_text(top)
        if url:
            (info / "direct_url.json").write_text(json.dumps(url))

    return make


def captured(tmp_path: Path, text: str, *roots: Path) -> list[str]:
    (tmp_path / "code").mkdir(exist_ok=True)
    script = tmp_path / "code" / "train.py"
    script.write_text(text)
    header, *lines = capture_requirements(script, roots).splitlines()
    assert header.startswith("# Python 3.")
    return lines


def test_modules_are_mapped_to_what_installed_them(tmp_path: Path, install: Install) -> None:
    install("PyYAML", "6.0", "yaml/__init__.py", "yaml/_yaml.cpython-311-x86_64-linux-gnu.so")
    install("scikit-learn", "1.4", "sklearn/__init__.py", top="sklearn\n")
    install("numpy", "2.0", "numpy/__init__.py")
    install("six", "1.17", "six.py")
    install("torch", "2.4.0+cu121", "torch/__init__.py")
    install("unused", "1", "unused/__init__.py")
    lines = captured(
        tmp_path,
        "import os, yaml, six\nfrom sklearn import svm\nimport numpy.linalg\nimport nowhere\n"
        "def late():\n    import torch\n",
    )
    assert lines == ["numpy==2.0", "PyYAML==6.0", "scikit-learn==1.4", "six==1.17", "torch==2.4.0"]


def test_a_namesake_that_holds_other_modules_is_not_taken(tmp_path: Path, install: Install) -> None:
    install("attr", "0.3", "other/__init__.py")
    install("attrs", "24", "attr/__init__.py", "attrs/__init__.py")
    assert captured(tmp_path, "import attr") == ["attrs==24"]


def test_only_the_used_part_of_a_shared_namespace_is_taken(tmp_path: Path, install: Install) -> None:
    install("google-cloud-storage", "2", "google/cloud/storage/__init__.py")
    install("protobuf", "5", "google/protobuf/__init__.py")
    install("google", "1", "google/nothing/__init__.py")
    assert captured(tmp_path, "from google.cloud import storage") == ["google-cloud-storage==2"]


def test_local_modules_are_followed_and_not_listed(tmp_path: Path, install: Install) -> None:
    install("numpy", "2.0", "numpy/__init__.py")
    install("pandas", "2.2", "pandas/__init__.py")
    install("helper", "9", "helper/__init__.py")
    code = tmp_path / "code"
    (code / "pkg" / "deep").mkdir(parents=True)
    (code / "helper.py").write_text("import numpy\nimport train\n")
    (code / "pkg" / "__init__.py").write_text("from .deep import leaf\n")
    (code / "pkg" / "deep" / "leaf.py").write_text("from ..other import X\nimport pandas as pd\n")
    (code / "pkg" / "other.py").write_text("")
    assert captured(tmp_path, "import helper\nfrom pkg import thing\n") == ["numpy==2.0", "pandas==2.2"]
    names = {file.name for file in scan(code / "train.py").files}
    assert names == {"train.py", "helper.py", "__init__.py", "leaf.py", "other.py"}


def test_further_roots_hold_local_modules(tmp_path: Path, install: Install) -> None:
    (tmp_path / "root" / "lib").mkdir(parents=True)
    (tmp_path / "root" / "lib" / "__init__.py").write_text("")
    install("lib", "1", "lib/__init__.py")
    assert captured(tmp_path, "import lib", tmp_path / "root") == []


def test_clearq_is_recorded_without_a_version(tmp_path: Path, install: Install) -> None:
    assert captured(tmp_path, "from clearq import Task") == ["clearq"]


def test_folders_addresses_and_repositories(tmp_path: Path, install: Install) -> None:
    install("mine", "0.1", url={"url": "file:///home/ada/mine", "dir_info": {"editable": True}})
    install("wheeled", "2", "wheeled/__init__.py", url={"url": "file:///tmp/wheeled.whl", "archive_info": {}})
    install("zipped", "3", "zipped.py", url={"url": "https://u:p@example.org/z.zip", "archive_info": {}})
    install(
        "gitted",
        "4",
        "gitted.py",
        url={"url": "https://t0ken@example.org/g.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
    )
    lines = captured(tmp_path, "import mine, wheeled, zipped, gitted")
    assert lines == [
        "gitted @ git+https://example.org/g.git@abc",
        "wheeled==2",
        "zipped @ https://example.org/z.zip",
        "# mine==0.1 is installed here from a local folder: it does not travel with the task",
    ]


@pytest.mark.parametrize("text", ["def (", "\0", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")])
def test_files_that_cannot_be_parsed_import_nothing(tmp_path: Path, install: Install, text: str) -> None:
    assert captured(tmp_path, text) == []


def test_nothing_of_the_users_is_run(tmp_path: Path, install: Install) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "helper.py").write_text("raise SystemExit('was run')")
    assert captured(tmp_path, "import helper\nraise SystemExit('was run')") == []


def test_literal_dynamic_imports_count(tmp_path: Path, install: Install) -> None:
    install("numpy", "2.0", "numpy/__init__.py")
    assert captured(tmp_path, "import importlib\nimportlib.import_module('numpy')") == ["numpy==2.0"]
