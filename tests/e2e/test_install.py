"""``pip install .`` into an empty environment gives a working ``clearq``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clearq import __version__
from clearq.environments.uv import uv_binary

ROOT = Path(__file__).parents[2]

_CHECK = """
import importlib.util, pathlib, clearq
root = pathlib.Path(clearq.__file__).parent
for part in ("py.typed", "docs/keys.md", "storage/lua/enqueue.lua", "cli/demo/project/train.py"):
    assert (root / part).exists(), part
assert importlib.util.find_spec("workers") is None
assert importlib.util.find_spec("pytest") is None
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_empty_environment_gets_a_working_command(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    environ = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1", "CLEARQ_HOME": str(tmp_path / "home")}
    python, clearq = folder / "bin" / "python", folder / "bin" / "clearq"

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            [str(word) for word in words], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(uv_binary(), "venv", "--quiet", "--python", sys.executable, folder)
    run(uv_binary(), "pip", "install", "--quiet", "--python", python, ROOT)
    run(python, "-c", _CHECK)
    assert run(clearq, "--version").strip() == f"clearq {__version__}"
    assert "ZRANGE" in run(clearq, "help", "keys")
    try:
        assert "default" in run(clearq, "queue", "ls", "--quiet")
    finally:
        run(clearq, "down")
