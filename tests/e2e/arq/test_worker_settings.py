"""An unchanged arq ``WorkerSettings`` under ``clearq worker run --arq``, in an environment with arq's own pins."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearq.environments.uv import uv_binary
from tests.support.valkey import ValkeyProcess

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def python() -> Path:
    """Of an environment with clearq (editable) and arq; made once and kept in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clearq-tests"
    checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    folder = cache / f"arq-{sys.version_info.major}{sys.version_info.minor}-{checkout}"
    environ = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "bin" / "python").exists():
            _run([uv_binary(), "venv", "--quiet", "--python", sys.executable, folder], environ)
        made = folder / "bin" / "python"
        _run([uv_binary(), "pip", "install", "--quiet", "--python", made, "-e", f"{ROOT}[arq]", "pytest"], environ)
    return made


def _run(words: list[str | Path], environ: dict[str, str], timeout: float = 240) -> str:
    done = subprocess.run(
        [str(word) for word in words], env=environ, capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def environ(valkey: ValkeyProcess, namespace: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "marks").touch()
    (tmp_path / "my.py").write_text((HERE / "settings_module.py").read_text())
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "CLEARQ_URL": valkey.url,
        "CLEARQ_NAMESPACE": namespace,
        "CLEARQ_HOME": str(tmp_path / "home"),
        "MARKS": str(tmp_path / "marks"),
    }


@pytest.fixture
def worker(python: Path, environ: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "clearq", "worker", "run", "--arq", "my.WorkerSettings"],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    print((tmp_path / "log").read_text(errors="replace"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_unchanged_settings_run_and_arq_calls_work(
    python: Path, environ: dict[str, str], worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert _run([python, HERE / "client_script.py"], environ, timeout=120).strip() == "ok"
    assert "7 functions in each process" in (tmp_path / "log").read_text(), "max_jobs"
    worker.terminate()
    assert worker.wait(40) == 0
    assert (tmp_path / "marks").read_text().splitlines()[-1] == "shutdown made at startup"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_settings_that_cannot_be_served_are_told(python: Path, environ: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [python, "-m", "clearq", "worker", "run", "--arq", "my.Nothing"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "no 'Nothing'" in done.stdout + done.stderr
