"""uv: make an environment, install into it, export a lock file; and its complaints as one sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from clearq.environments.commands import Call, Finished, Say, run
from clearq.errors import EnvironmentFailed

#: Seconds without a word; large downloads and builds are silent, and uv ends stalled downloads by itself.
SILENCE = (3600.0, 3600.0)

#: Variables of the agent's own environment that must not leak into the task's.
_LEAKS = frozenset({"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"})

#: Variables that change what is installed for the same list.
_INDEX = re.compile(
    r"^UV_(?:INDEX|DEFAULT_INDEX|EXTRA_INDEX_URL|INDEX_URL|FIND_LINKS|NO_INDEX|PRERELEASE|RESOLUTION"
    r"|EXCLUDE_NEWER|INDEX_STRATEGY|TORCH_BACKEND|CONFIG_FILE|NO_CONFIG|OVERRIDE|CONSTRAINT|FORK_STRATEGY)$"
)


#: Lines that help nobody who reads a task's log.
_NOISE = ("Using Python", "warning: Failed to hardlink", "If the cache and", "If this is intentional")


def uv_binary() -> str:
    """The uv that was installed with clearq."""
    import uv  # here: only an attempt that installs needs it

    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise EnvironmentFailed(
            "uv is not installed on this host: run 'pip install uv' in clearq's environment."
        ) from error


def uv_environ() -> dict[str, str]:
    """The agent's environment, with the system's certificates and without colours, questions and downloads."""
    environ = {name: value for name, value in os.environ.items() if name not in _LEAKS}
    for name in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS"):  # the newer name and the older one
        environ.setdefault(name, "true")
    return environ | {
        "NO_COLOR": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "GIT_TERMINAL_PROMPT": "0",
    }


def index_settings() -> list[str]:
    """Where packages come from: part of an environment's key."""
    found = [f"{name}={value}" for name, value in sorted(os.environ.items()) if _INDEX.match(name)]
    configured = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    for path in (Path("/etc/uv/uv.toml"), Path(configured).expanduser() / "uv" / "uv.toml"):
        if path.is_file():
            found.append(path.read_text("utf-8", "replace"))
    return found


async def make_venv(prefix: Path, python: Path) -> Path:
    """An empty environment; returns its interpreter."""
    done = await _uv(("venv", "--quiet", "--no-project", "--python", str(python), str(prefix)), prefix.parent)
    if not done.ok:
        raise EnvironmentFailed(f"No environment could be made with {python}: {reason(done.stderr)}")
    return prefix / "bin" / "python"


async def install(prefix: Path, files: Sequence[str], folder: Path, say: Say) -> None:
    """Install into ``prefix`` what requirement files list; ``files`` are arguments such as ``-r path``."""

    def tell(line: str) -> None:
        if not line.startswith(_NOISE):
            say(line)

    command = ("pip", "install", "--python", str(prefix / "bin" / "python"), *files)
    done = await _uv(command, folder, tell, prefix)
    if not done.ok:
        raise EnvironmentFailed(
            f"The task's packages cannot be installed: {reason(done.stderr)}"
            " Correct the task's requirements or this host's package index."
        )


async def export_lock(lock: Path) -> list[str]:
    """The packages that a ``uv.lock`` pins, without the project itself and its development tools."""
    options = ("--frozen", "--no-dev", "--no-emit-workspace", "--no-hashes", "--no-annotate", "--no-header")
    done = await _uv(("export", "--quiet", "--format", "requirements.txt", *options), lock.parent)
    if not done.ok:
        raise EnvironmentFailed(f"uv.lock of the task's code cannot be read: {reason(done.stderr)}")
    return [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]


async def _uv(args: Sequence[str], folder: Path, say: Say | None = None, writes: Path | None = None) -> Finished:
    return await run(Call((uv_binary(), *args), folder, uv_environ(), silence=SILENCE, say=say, writes=writes))


def reason(stderr: str) -> str:
    """uv's explanation, its lines joined to one sentence with a full stop."""
    text = re.sub(r"[│├╰▶─×╭✗]+", " ", stderr)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    lines = [line for line in lines if line and not re.match(r"^(warning|hint|Using Python|Resolved|\^)", line)]
    joined = " ".join(lines)
    if cause := re.search(r"\bBecause .*", joined):
        joined = cause[0]
    else:
        joined = re.sub(r"^(?:error: )", "", joined)
        joined = re.sub(r"\s*\bcause:?\s+", ": ", joined, count=1)
    joined = re.sub(r"\s*\bcause:?\s+", ": ", joined)
    joined = joined.replace(". And because ", ", and because ")
    shown = re.sub(r"\s*\bhint: .*$", "", joined).strip() or "uv said nothing"
    return (shown if len(shown) <= 1000 else shown[:997] + "...").rstrip(".") + "."
