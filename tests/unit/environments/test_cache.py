"""Environments: made once, shared, evicted when least used; the real uv on wheels made here, no network."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clearq.environments import uv
from clearq.environments.cache import COMPLETE, Environment, EnvironmentCache, environment_key
from clearq.environments.python import Interpreter, choose_python, version_of
from clearq.environments.requirements import Requirements, resolve_requirements
from clearq.errors import EnvironmentFailed
from clearq.models import Script

Said = list[str]
OWN = choose_python("")


def wheel(folder: Path, name: str, version: str, requires: str = "") -> Path:
    """A wheel of one module that holds its version."""
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return target


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index that is a folder, with ``alpha`` 1 and 2 and ``beta``, which needs alpha < 2."""
    folder = tmp_path / "index"
    wheel(folder, "alpha", "1.0")
    wheel(folder, "alpha", "2.0")
    wheel(folder, "beta", "1.0", "alpha<2")
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> EnvironmentCache:
    return EnvironmentCache(tmp_path / "home", free_gb=0)


@pytest.fixture
def ensure(cache: EnvironmentCache, tmp_path: Path, said: Said) -> Callable[..., object]:
    async def call(*lines: str, cache: EnvironmentCache = cache) -> Environment:
        return await cache.ensure(Requirements(lines), OWN, tmp_path / "attempt" / "environment", said.append)

    return call


def version_in(environment: Environment, module: str = "alpha") -> str:
    text = f"import {module}; print({module}.VERSION)"
    return subprocess.run(
        [environment.python, "-I", "-c", text], check=True, capture_output=True, text=True
    ).stdout.strip()


def entries(cache: EnvironmentCache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir() if not path.name.startswith("."))


async def test_packages_are_installed_and_uv_is_heard(ensure: Callable, said: Said) -> None:
    environment = await ensure("alpha==1.0", "beta")
    assert version_in(environment) == "1.0"
    assert not environment.cached
    assert any("alpha==1.0" in line for line in said)


async def test_equal_lists_share_one_and_start_no_program(ensure: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await ensure("alpha==1.0", "beta")
    monkeypatch.setattr(asyncio.BaseEventLoop, "subprocess_exec", None)
    again = await ensure("beta", "alpha==1.0")
    assert again.cached and again.python == first.python


async def test_an_edited_pin_is_what_gets_installed(ensure: Callable) -> None:
    assert version_in(await ensure("alpha==1.0")) == "1.0"
    assert version_in(await ensure("alpha==2.0")) == "2.0"


async def test_no_packages_give_an_empty_environment(ensure: Callable) -> None:
    environment = await ensure()
    done = subprocess.run([environment.python, "-c", "import pydantic"], capture_output=True, check=False)
    assert b"ModuleNotFoundError" in done.stderr


BUILDERS = """
import asyncio, multiprocessing, sys
from pathlib import Path
from clearq.environments.cache import EnvironmentCache
from clearq.environments.python import choose_python
from clearq.environments.requirements import Requirements

home, context = Path(sys.argv[1]), multiprocessing.get_context("fork")
barrier = context.Barrier(10)

def build(number):
    barrier.wait()
    ensure = EnvironmentCache(home, free_gb=0).ensure
    made = asyncio.run(ensure(Requirements(("beta",)), choose_python(""), home / "private", str))
    (home / f"answer-{number}").write_text(f"{'cached' if made.cached else 'made'} {made.python}")

home.mkdir()
children = [context.Process(target=build, args=(number,)) for number in range(10)]
for child in children: child.start()
for child in children: child.join()
"""


def test_ten_processes_at_once_make_it_once(cache: EnvironmentCache) -> None:
    subprocess.run([sys.executable, "-c", BUILDERS, str(cache.home)], check=True)
    answers = [path.read_text().split() for path in cache.home.glob("answer-*")]
    assert sorted(word for word, _ in answers) == ["cached"] * 9 + ["made"]
    assert len({path for _, path in answers}) == 1
    assert len(entries(cache)) == 1


async def test_a_half_made_one_is_made_anew(ensure: Callable, cache: EnvironmentCache) -> None:
    environment = await ensure("alpha==1.0")
    environment.close()
    prefix = environment.python.parent.parent
    (prefix / COMPLETE).unlink()
    for path in prefix.rglob("alpha.py"):
        path.unlink()
    assert version_in(await ensure("alpha==1.0")) == "1.0"


async def test_one_whose_interpreter_is_gone_is_made_anew(ensure: Callable) -> None:
    environment = await ensure("alpha==1.0")
    environment.close()
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python")
    assert version_in(await ensure("alpha==1.0")) == "1.0"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nosuch==1", ["nosuch"]),
        ("alpha==7", ["alpha==7"]),
        ("alpha=1", ["alpha=1"]),
        ("nosuch @ file:///nowhere/nosuch-1-py3-none-any.whl", ["nosuch"]),
    ],
)
async def test_what_cannot_be_resolved_is_one_sentence(
    ensure: Callable, cache: EnvironmentCache, line: str, words: list[str]
) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        await ensure(line)
    text = str(caught.value)
    assert "\n" not in text and all(word in text for word in [*words, "Correct the task's requirements"])
    assert not cache.folder.exists() or entries(cache) == []


async def test_two_that_contradict_say_why(ensure: Callable) -> None:
    with pytest.raises(EnvironmentFailed, match=r"beta depend on alpha<2.*, and because"):
        await ensure("beta==1.0", "alpha==2.0")


async def test_at_most_so_many_are_kept_the_least_used_goes(
    ensure: Callable, cache: EnvironmentCache, tmp_path: Path
) -> None:
    small = replace(cache, max_entries=2)
    one, two = [await ensure(f"alpha=={n}.0", cache=small) for n in (1, 2)]
    for age, environment in ((200, one), (300, two)):
        environment.close()
        marker = environment.python.parent.parent / COMPLETE
        os.utime(marker, (marker.stat().st_mtime - age,) * 2)
    (await ensure("alpha==2.0", cache=small)).close()  # used again: now ``one`` is the older
    three = await ensure("beta", cache=small)
    kept = {environment.python.parent.parent.name for environment in (two, three)}
    assert set(entries(cache)) == kept


async def test_one_in_use_is_never_evicted(ensure: Callable, cache: EnvironmentCache) -> None:
    single = replace(cache, max_entries=1)
    held = await ensure("alpha==1.0", cache=single)
    marker = held.python.parent.parent / COMPLETE
    os.utime(marker, (0, 0))
    other = await ensure("alpha==2.0", cache=single)
    assert version_in(held) == "1.0"
    held.close()
    other.close()
    cache_after = replace(cache, max_entries=1)
    cache_after.evict()
    assert entries(cache) == [other.python.parent.parent.name]


async def test_with_little_space_nothing_is_kept(
    cache: EnvironmentCache, ensure: Callable, tmp_path: Path, said: Said
) -> None:
    environment = await ensure("alpha==1.0", cache=replace(cache, free_gb=1e9))
    assert version_in(environment) == "1.0"
    assert entries(cache) == []
    assert tmp_path / "attempt" in environment.python.parents
    assert any("not kept" in line for line in said)


async def test_with_little_space_one_that_is_there_is_used(ensure: Callable, cache: EnvironmentCache) -> None:
    (await ensure("alpha==1.0")).close()
    assert (await ensure("alpha==1.0", cache=replace(cache, free_gb=1e9))).cached


async def test_a_list_with_local_files_is_not_shared(
    ensure: Callable, cache: EnvironmentCache, tmp_path: Path, index: Path, said: Said
) -> None:
    environment = await ensure((index / "alpha-1.0-py3-none-any.whl").as_uri())
    assert version_in(environment) == "1.0"
    assert tmp_path / "attempt" in environment.python.parents
    assert not cache.folder.exists()


async def test_a_lock_file_is_followed_exactly(
    cache: EnvironmentCache, tmp_path: Path, index: Path, said: Said
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.py").write_text("")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["alpha"]\n[dependency-groups]\ndev = ["beta"]\n'
        '[tool.uv]\nconstraint-dependencies = ["alpha<2"]\n'
    )
    local = ["--no-index", "--find-links", str(index)]
    subprocess.run([uv.uv_binary(), "lock", "--quiet", *local], cwd=project, check=True)
    wheel(index, "alpha", "1.5")
    found = resolve_requirements(Script(entry_point="main.py"), project)
    environment = await cache.ensure(found, OWN, tmp_path / "private", said.append)
    assert version_in(environment) == "1.0"
    done = subprocess.run([environment.python, "-c", "import beta"], capture_output=True, check=False)
    assert done.returncode, "development tools are not installed"
    environment.close()
    assert (await cache.ensure(found, OWN, tmp_path / "private", said.append)).cached


async def test_constraints_bound_what_is_installed(cache: EnvironmentCache, tmp_path: Path, said: Said) -> None:
    bounded = Requirements(("alpha",), constraints=("alpha<2",))
    assert version_in(await cache.ensure(bounded, OWN, tmp_path / "private", said.append)) == "1.0"


async def test_cancelling_leaves_nothing_behind(
    ensure: Callable, cache: EnvironmentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def endless(*args: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(uv, "install", endless)
    running = asyncio.create_task(ensure("alpha==1.0"))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert entries(cache) == []
    monkeypatch.undo()


def test_the_key_knows_what_changes_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Requirements(("a==1", "b"))
    key = environment_key(base, "3.11")
    assert environment_key(Requirements(("b", "a==1")), "3.11") == key
    assert environment_key(base, "3.12") != key
    others = [
        replace(base, lines=("a==2", "b")),
        replace(base, constraints=("c<1",)),
        replace(base, digest="x"),
        replace(base, wheel=Path("clearq-1.whl")),
    ]
    assert len({environment_key(each, "3.11") for each in others} | {key}) == len(others) + 1
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://example.org/simple")
    assert environment_key(base, "3.11") != key


@pytest.mark.parametrize(
    ("binary", "version"),
    [
        ("python3.12", "3.12"),
        ("/opt/x3.9/bin/python3.11", "3.11"),
        ("python3.10.4", "3.10"),
        ("python", ""),
        ("python3", ""),
        ("", ""),
        ("/bin/bash", ""),
    ],
)
def test_versions_in_interpreter_names(binary: str, version: str) -> None:
    assert version_of(binary) == version


def test_a_version_that_is_here_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims, bin_dir = tmp_path / "shims", tmp_path / "bin"
    for folder in (shims, bin_dir):
        folder.mkdir()
        (folder / "python3.99").touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{shims}:{bin_dir}")
    assert choose_python("python3.99") == Interpreter(bin_dir / "python3.99", "3.99")


def test_a_version_that_is_not_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = choose_python("python3.98")
    assert (found.path, found.version) == (OWN.path, OWN.version)
    assert "3.98 is not on this machine" in found.note
