"""The installed clearq, packed again."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import os
import zipfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.utils import parse_wheel_filename

import clearq
from clearq.environments import wheel as wheels
from clearq.environments.wheel import own_wheel
from clearq.errors import EnvironmentFailed


async def test_it_is_a_correct_wheel(tmp_path: Path) -> None:
    wheel = await own_wheel(tmp_path)
    name, version, _, tags = parse_wheel_filename(wheel.name)
    assert (name, str(version.public), {str(tag) for tag in tags}) == (
        "clearq",
        clearq.__version__,
        {"py3-none-any"},
    )
    with zipfile.ZipFile(wheel) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    info = f"clearq-{version}.dist-info"
    metadata = Metadata.from_email(files[f"{info}/METADATA"], validate=False)
    assert metadata.version == version
    assert metadata.requires_dist and any(each.name == "redis" for each in metadata.requires_dist)
    assert b"clearq = clearq.cli.main:main" in files[f"{info}/entry_points.txt"]
    assert files[f"{info}/licenses/LICENSE"]
    assert "clearq/models/task.py" in files and "clearq/py.typed" in files
    assert not any("__pycache__" in entry for entry in files)
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(files[f"{info}/RECORD"].decode()))}
    assert set(rows) == set(files)
    for entry, (digest, size) in rows.items():
        if digest:
            found = base64.urlsafe_b64encode(hashlib.sha256(files[entry]).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={found}", len(files[entry]))


async def test_every_file_of_the_package_is_in_it(tmp_path: Path) -> None:
    package = Path(clearq.__file__).parent
    with zipfile.ZipFile(await own_wheel(tmp_path)) as archive:
        packed = set(archive.namelist())
    kinds = {".lua", ".md", ".py", ".typed"}
    wanted = [path for path in package.rglob("*") if path.suffix in kinds and not path.name.startswith(".")]
    assert wanted and {f"clearq/{path.relative_to(package).as_posix()}" for path in wanted} <= packed


async def test_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await asyncio.gather(*(own_wheel(tmp_path) for _ in range(5)))
    assert len(set(made)) == 1
    monkeypatch.setattr(wheels, "_build", None)
    assert await own_wheel(tmp_path) == made[0]


async def test_a_change_gives_another_name_and_the_same_content_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "clearq"
    package.mkdir()
    (package / "__init__.py").write_text("1\n")
    monkeypatch.setattr(wheels, "_package", lambda: package)
    first = await own_wheel(tmp_path / "home")
    data = first.read_bytes()
    (package / "__init__.py").write_text("22\n")
    assert (await own_wheel(tmp_path / "home")).name != first.name
    (package / "__init__.py").write_text("1\n")
    os.utime(package / "__init__.py", (1, 1))
    assert (await own_wheel(tmp_path / "home2")).name == first.name
    assert (await own_wheel(tmp_path / "home2")).read_bytes() == data


async def test_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "clearq"
    package.mkdir()
    monkeypatch.setattr(wheels, "_package", lambda: package)
    for number in range(wheels.KEPT + 3):
        (package / "__init__.py").write_text("1" * (number + 1))
        newest = await own_wheel(tmp_path / "home")
    kept = list((tmp_path / "home" / "wheels").glob("*.whl"))
    assert len(kept) == wheels.KEPT and newest in kept


async def test_clearq_in_a_folder_only_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(wheels, "distribution", missing)
    with pytest.raises(EnvironmentFailed, match="pip install -e"):
        await own_wheel(tmp_path)
