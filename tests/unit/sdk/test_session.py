"""Which task the last run made."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clearq.sdk.session import REUSE_WINDOW, Sessions


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path, "server/clearq")


@pytest.fixture
def record(sessions: Sessions) -> Path:
    """The record of a run whose process has ended."""
    path = sessions.path("p", "n", "s.py")
    sessions.remember(path, "t1")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": gone.pid}))
    return path


def test_the_last_task_is_used_again(sessions: Sessions, record: Path) -> None:
    assert sessions.last(record) == "t1"


def test_not_when_it_is_old(sessions: Sessions, record: Path) -> None:
    assert sessions.last(record, now=time.time() + REUSE_WINDOW - 60) == "t1"
    assert sessions.last(record, now=time.time() + REUSE_WINDOW + 60) is None


def test_not_when_it_is_kept(sessions: Sessions, record: Path) -> None:
    sessions.remember(record, "t1", kept=True)
    assert sessions.last(record) is None


def test_not_while_its_process_lives(sessions: Sessions, record: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        record.write_text(json.dumps({**json.loads(record.read_text()), "pid": process.pid}))
        assert sessions.last(record) is None
        process.kill()


def test_each_script_name_project_and_server_has_its_own(sessions: Sessions, tmp_path: Path) -> None:
    paths = {
        sessions.path("p", "n", "s.py"),
        sessions.path("q", "n", "s.py"),
        sessions.path("p", "m", "s.py"),
        sessions.path("p", "n", "r.py"),
        Sessions(tmp_path, "other/clearq").path("p", "n", "s.py"),
    }
    assert len(paths) == 5


@pytest.mark.parametrize("text", ["", "{", "[]", '{"task_id": 1, "more": 2}'])
def test_a_broken_record_is_none(sessions: Sessions, record: Path, text: str) -> None:
    record.write_text(text)
    assert sessions.last(record) is None


def test_a_home_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sessions = Sessions(tmp_path / "file", "server/clearq")
    sessions.remember(sessions.path("p", "n", "s.py"), "t1")
    assert sessions.last(sessions.path("p", "n", "s.py")) is None
