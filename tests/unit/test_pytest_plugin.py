"""The fixtures that pytest finds where clearq is installed, from a project of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TASKS = """
from clearq import Clearq

app = Clearq("redis://nowhere.invalid:1")

@app.task
async def resize(path: str) -> int:
    return len(path)

@app.cron("0 * * * *")
@app.task
async def hourly() -> None: ...
"""

TEST = """
from tasks import hourly, resize

async def test_it(clearq_worker, clearq_clock):
    handle = await resize.options(delay=60).enqueue("a.png")
    clearq_clock.advance(3600)
    ran = await clearq_worker.run_until_idle()
    assert await handle.result() == 5
    assert ran.calls == {resize.name: 1, hourly.name: 1}

async def test_each_test_begins_anew(clearq_worker):
    assert (await clearq_worker.run_until_idle()).calls == {}
"""

PLAIN = """
import sys

def test_nothing_of_clearq_is_imported():
    assert not [name for name in sys.modules if name.partition(".")[0] in ("clearq", "redis", "fakeredis", "aiohttp")]
"""

ASYNC = "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


def pytest_in(folder: Path, *words: str, **files: str) -> str:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_a_project_with_its_app_in_the_settings(tmp_path: Path) -> None:
    ini = f"[pytest]\nclearq_app = tasks:app\nfilterwarnings = error\n{ASYNC}"
    text = pytest_in(tmp_path, tasks__py=TASKS, test_it__py=TEST, pytest__ini=ini)
    assert "2 passed" in text, text


def test_a_fixture_of_the_project_names_the_app(tmp_path: Path) -> None:
    conftest = """
import pytest

@pytest.fixture
def clearq_app():
    from tasks import app
    return app
"""
    ini = f"[pytest]\n{ASYNC}"
    text = pytest_in(tmp_path, tasks__py=TASKS, test_it__py=TEST, conftest__py=conftest, pytest__ini=ini)
    assert "2 passed" in text, text


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    text = pytest_in(tmp_path, tasks__py=TASKS, test_it__py=TEST, pytest__ini=f"[pytest]\n{ASYNC}")
    assert "Write clearq_app =" in text
    test = "def test_it(clearq_worker): ..."
    text = pytest_in(tmp_path, "-p", "no:asyncio", "-p", "no:anyio", test_it__py=test, pytest__ini="[pytest]\n")
    assert "pip install pytest-asyncio" in text


def test_others_pay_nothing(tmp_path: Path) -> None:
    text = pytest_in(tmp_path, test_plain__py=PLAIN, pytest__ini=f"[pytest]\n{ASYNC}")
    assert "1 passed" in text, text
