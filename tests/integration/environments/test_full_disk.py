"""A disk that is really full, at each step of a preparation: one clear sentence, and work goes on after it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearq.environments.prepare import prepare_environment
from clearq.errors import EnvironmentFailed
from clearq.models import Script, Status, Task, TaskSpec
from clearq.settings import Settings


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A repository of 8 MB."""
    root = tmp_path / "large"
    root.mkdir()
    (root / "blob").write_bytes(os.urandom(8_000_000))
    (root / "train.py").write_text("print(1)\n")
    for args in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-qm", "One"),
    ):
        subprocess.run(("git", *args), cwd=root, check=True)
    return Script(repository=str(root), entry_point="train.py", requirements="# none\n")


async def prepare(script: Script, home: Path, attempt: Path) -> None:
    task = Task(id="1" * 32, spec=TaskSpec(name="t", script=script), status=Status.IN_PROGRESS)
    prepared = await prepare_environment(task, attempt, Settings(home=home, venvs_free_gb=0), print)
    prepared.hold.close()


async def full(script: Script, home: Path, attempt: Path, small: Path) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        await prepare(script, home, attempt)
    text = str(caught.value)
    assert "is full" in text and str(small) in text and "\n" not in text


async def test_while_fetching(small: Path, tmp_path: Path, script: Script) -> None:
    await full(script, small / "home", tmp_path / "attempt", small)
    await prepare(script, tmp_path / "home", tmp_path / "attempt")


async def test_while_checking_out_and_after_it(small: Path, tmp_path: Path, script: Script) -> None:
    await full(script, tmp_path / "home", small / "attempt", small)
    await prepare(script, tmp_path / "home", tmp_path / "attempt")


async def test_while_making_the_environment(small: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"), (small / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    script = Script(diff="print(1)\n", entry_point="train.py", requirements="clearq\n")
    await full(script, small / "home", tmp_path / "attempt", small)
    lone = script.model_copy(update={"requirements": "# none\n"})
    await full(lone, small / "home", tmp_path / "attempt", small)
    await full(lone, tmp_path / "home", small / "attempt", small)
    (small / "filler").unlink()
    await prepare(lone, small / "home", small / "attempt")
