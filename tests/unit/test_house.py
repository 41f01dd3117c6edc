"""The things around the package: scripts, images and units are in order."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "scripts" / name for name in ("setup", "demo", "test", "check", "lint", "bench")]
SCRIPTS += [ROOT / ".ci" / "run"]
SHELLS = sorted((ROOT / "workers").glob("*.sh"))


@pytest.mark.parametrize("script", [*SCRIPTS, *SHELLS], ids=lambda script: script.name)
def test_scripts_can_be_run_and_are_shell(script: Path) -> None:
    assert script.stat().st_mode & 0o111, f"chmod +x {script}"
    shell = script.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!").split()[-1].rpartition("/")[2]
    subprocess.run([shell, "-n", str(script)], check=True)


def test_the_password_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "password"
    made = []
    for _ in range(2):
        subprocess.run(["sh", str(ROOT / "workers" / "make-password.sh"), str(file)], check=True)
        made.append(file.read_text(encoding="ascii"))
    assert made[0] == made[1]
    assert len(made[0]) == 64
    int(made[0], 16)


@pytest.mark.parametrize(("given", "expected"), [("", "redis://:s3cret@valkey:6379/0"), ("redis://own", "redis://own")])
def test_the_image_finds_the_server(tmp_path: Path, given: str, expected: str) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret", encoding="ascii")
    done = subprocess.run(
        ["sh", str(ROOT / "workers" / "entrypoint.sh"), "sh", "-c", 'printf %s "$CLEARQ_URL"'],
        env={"PATH": "/usr/bin:/bin", "PASSWORD_FILE": str(file), "CLEARQ_URL": given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == expected


def test_the_compose_file_is_valid() -> None:
    client = compose_client()
    if client is None:
        pytest.skip("no docker compose client")
    subprocess.run([*client, "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"], check=True)


def compose_client() -> list[str] | None:
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        return [docker, "compose"]
    old = shutil.which("docker-compose")
    return [old] if old else None


@pytest.mark.parametrize("unit", sorted((ROOT / "workers").glob("*.service")), ids=lambda unit: unit.name)
def test_units_start_what_exists(unit: Path) -> None:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(unit)
    start = parsed["Service"]["ExecStart"].split()
    if start[0].endswith("/python"):
        assert (ROOT / "workers" / Path(start[1]).name).exists()
    else:
        assert Path(start[0]).name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert parsed["Service"]["Restart"] == "always"


def test_stopping_an_agent_by_its_unit_leaves_its_trainings_alone() -> None:
    assert "KillMode=process" in (ROOT / "workers" / "clearq-agent@.service").read_text(encoding="utf-8")


def test_the_package_is_typed() -> None:
    assert (ROOT / "clearq" / "py.typed").exists()
