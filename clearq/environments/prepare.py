"""From a task to a command: checkout, uncommitted changes, packages, in this order (parity row C-001)."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clearq.environments.cache import Environment, EnvironmentCache
from clearq.environments.commands import Say, from_os_error
from clearq.environments.folders import inside
from clearq.environments.git import Checkout
from clearq.environments.packages import repository_roots
from clearq.environments.python import Interpreter, choose_python
from clearq.environments.requirements import Requirements, resolve_requirements
from clearq.environments.wheel import own_wheel
from clearq.errors import EnvironmentFailed
from clearq.models import Script, Task
from clearq.settings import Settings

_SHELLS = ("sh", "bash", "zsh", "dash", "ksh")


class Hold(Protocol):
    """Keeps a shared environment from being evicted until closed (also when the process dies)."""

    def close(self) -> None:
        """Let it go. Closing twice is harmless."""


@dataclass(frozen=True)
class PreparedEnvironment:
    """What to start for an attempt. Call ``hold.close()`` when its process tree is gone."""

    python: Path  #: interpreter with the task's packages
    cwd: Path
    argv: tuple[str, ...]  #: the whole command, interpreter first
    variables: Mapping[str, str]  #: to be set for it (VIRTUAL_ENV, PYTHONPATH, the task's own)
    hold: Hold

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """``base`` with this environment's variables and its ``bin`` at the head of PATH."""
        merged = {**base, **self.variables}
        merged["PATH"] = _joined(str(self.python.parent), base.get("PATH", ""))
        merged["PYTHONPATH"] = _joined(self.variables.get("PYTHONPATH", ""), base.get("PYTHONPATH", ""))
        merged.pop("PYTHONHOME", None)
        return merged


async def prepare_environment(task: Task, attempt_dir: Path, settings: Settings, say: Say) -> PreparedEnvironment:
    """Check the task's code out into ``attempt_dir/work`` and make its packages available.

    Raises :class:`~clearq.errors.EnvironmentFailed` with one sentence that says what to do. Cancelling ends
    whatever git or uv is running and leaves no half-made cache entry.
    """
    script = task.spec.script
    root = await Checkout(settings.home).checkout(script, attempt_dir / "work", say)
    cwd = working_folder(script, root)
    check_entry_point(script, root, cwd)
    called = bool(task.spec.function.name)
    environment = await _environment(script, root, attempt_dir, settings, say, clearq=called)
    return PreparedEnvironment(
        python=environment.python,
        cwd=cwd,
        argv=calling(environment.python) if called else command(script, environment.python),
        variables=_variables(script, root, environment),
        hold=environment,
    )


async def _environment(
    script: Script, root: Path, attempt_dir: Path, settings: Settings, say: Say, *, clearq: bool
) -> Environment:
    """The task's packages; ``clearq``: whether or not its code names it."""
    python = choose_python(script.binary)
    if python.note:
        say(python.note)
    try:
        requirements = await asyncio.to_thread(resolve_requirements, script, root)
    except OSError as error:
        raise from_os_error(error, "Reading the task's requirements", root) from error
    if requirements.clearq or clearq:
        requirements = requirements.with_wheel(await own_wheel(settings.home))
    cache = EnvironmentCache(settings.home, settings.venvs_max_entries, settings.venvs_free_gb)
    environment = await cache.ensure(requirements, python, attempt_dir / "environment", say)
    say(_summary(requirements, python, environment))
    return environment


def _summary(requirements: Requirements, python: Interpreter, environment: Environment) -> str:
    word = "Reusing" if environment.cached else "Made"
    return f"{word} an environment with Python {python.version} and the packages of {requirements.source}"


def working_folder(script: Script, root: Path) -> Path:
    """The task's working directory; the repository's root unless it names another (row C-012)."""
    cwd = inside(root, script.working_dir)
    if not script.repository and not cwd.exists():
        cwd.mkdir(parents=True)
    if not cwd.is_dir():
        raise EnvironmentFailed(
            f"There is no folder {script.working_dir!r} in {_where(script)}: correct the task's working directory."
        )
    return cwd


def check_entry_point(script: Script, root: Path, cwd: Path) -> None:
    """Raise EnvironmentFailed when the script that is to run is not there."""
    if not script.entry_point:
        raise EnvironmentFailed("The task names no entry point: set the script or '-m module' that is to run.")
    if script.entry_point.startswith("-m"):
        return  # Python itself knows best which modules there are
    if not inside(root, script.working_dir, script.entry_point).is_file():
        below = f" below {script.working_dir!r}" if cwd != root else ""
        raise EnvironmentFailed(
            f"There is no file {script.entry_point!r}{below} in {_where(script)}:"
            " correct the entry point or the working directory, or commit the file."
        )


def _where(script: Script) -> str:
    if not script.repository:
        return "the task's folder"
    return f"the repository at {f'commit {script.commit[:12]}' if script.commit else 'this commit'}"


def calling(python: Path) -> tuple[str, ...]:
    """The command that calls the attempt's function, which it reads from the attempt's file."""
    return (str(python), "-u", "-m", "clearq.worker.attempt")


def command(script: Script, python: Path) -> tuple[str, ...]:
    """The whole command: unbuffered Python (or a shell, for shell scripts), entry point, arguments."""
    if script.entry_point.startswith("-m"):
        try:
            module = shlex.split(script.entry_point[2:])
        except ValueError as error:
            raise EnvironmentFailed(f"The entry point {script.entry_point!r} is not valid: {error}.") from error
        if not module:
            raise EnvironmentFailed("The entry point '-m' names no module: add one.")
        return (str(python), "-u", "-m", *module, *script.argv)
    # A leading dash would be read as an option.
    file = f"./{script.entry_point}" if script.entry_point.startswith("-") else script.entry_point
    if (shell := Path(script.binary).name) in _SHELLS:
        found = shutil.which(shell)
        if found is None:
            raise EnvironmentFailed(f"{shell} is not installed on this host, and the task asks for it.")
        return (found, file, *script.argv)
    return (str(python), "-u", file, *script.argv)


def _variables(script: Script, root: Path, environment: Environment) -> dict[str, str]:
    """The repository's modules can be imported from wherever the script lies in it, as ClearML's agent does."""
    paths = [str(path) for path in repository_roots(root)]
    return {
        **script.environment,
        "VIRTUAL_ENV": str(environment.python.parent.parent),
        "PYTHONPATH": _joined(*paths, script.environment.get("PYTHONPATH", "")),
        "PYTHONUNBUFFERED": "1",
    }


def _joined(*paths: str) -> str:
    return os.pathsep.join(path for path in paths if path)
