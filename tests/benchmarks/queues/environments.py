"""One environment a peer, made by uv once and kept in a cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.queues.peers import Peer


def cache() -> Path:
    """``CLEARQ_BENCH_CACHE``, else a folder in the user's cache."""
    given = os.environ.get("CLEARQ_BENCH_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "clearq-bench"


def environment(peer: Peer) -> Path:
    """The folder of its programs; installs the peer where it is not yet. Raises RuntimeError with uv's words."""
    pins = hashlib.sha256("\n".join([sys.version, *peer.requirements]).encode()).hexdigest()[:12]
    folder = cache() / f"{peer.name}-{pins}"
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--python", str(folder / "bin" / "python"), *peer.requirements)
        ready.touch()
    return folder / "bin"


def _uv(*words: str) -> None:
    program = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    environ = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    done = subprocess.run([program or "uv", "--quiet", *words], env=environ, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(words)}: {done.stderr.strip()}")
