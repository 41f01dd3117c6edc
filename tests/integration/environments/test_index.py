"""Environments from the real package index; skipped where it cannot be reached."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clearq.environments.cache import Environment, EnvironmentCache
from clearq.environments.python import choose_python
from clearq.environments.requirements import resolve_requirements
from clearq.environments.uv import uv_binary, uv_environ
from clearq.environments.wheel import own_wheel
from clearq.errors import EnvironmentFailed
from clearq.models import Script


@pytest.fixture(scope="module", autouse=True)
def reachable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The index answers."""
    command = [uv_binary(), "pip", "compile", "--quiet", "--no-header", "-"]
    done = subprocess.run(
        command, input=b"six\n", env=uv_environ() | {"UV_HTTP_TIMEOUT": "10"}, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("the package index cannot be reached")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def made(home: Path, code: Path, requirements: str | None = None) -> Environment:
    """The environment for ``code/train.py``."""
    found = resolve_requirements(Script(entry_point="train.py", requirements=requirements), code)
    if found.clearq:
        found = found.with_wheel(await own_wheel(home))
    return await EnvironmentCache(home).ensure(found, choose_python(""), home / "private", print)


def run(environment: Environment, text: str) -> str:
    done = subprocess.run(
        [environment.python, "-I", "-W", "error", "-c", text], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("from clearq import Task\n")
    return folder


async def test_the_tasks_code_meets_this_very_clearq(home: Path, code: Path) -> None:
    environment = await made(home, code, "clearq==99.0\nsix==1.16.0\n")
    wheel = (await own_wheel(home)).name
    version = run(environment, "from importlib.metadata import version; print(version('clearq'))")
    assert f"clearq-{version}-" in wheel
    assert run(environment, "import clearq.models, six; print(six.__version__)") == "1.16.0"
    assert (environment.python.parent / "clearq").is_file()


async def test_a_list_in_the_repository_is_installed(home: Path, code: Path) -> None:
    (code / "train.py").write_text("import six\n")
    (code / "requirements.txt").write_text("six==1.15.0\n")
    assert run(await made(home, code), "import six; print(six.__version__)") == "1.15.0"


async def test_a_package_that_does_not_exist_is_one_sentence(home: Path, code: Path) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        await made(home, code, "clearq-no-such-package-here\n")
    assert "clearq-no-such-package-here" in str(caught.value) and "\n" not in str(caught.value)
