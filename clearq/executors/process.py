"""Executor ``process``: a command in a folder of the agent's host."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from clearq.errors import EnvironmentFailed
from clearq.executors.environ import task_environ
from clearq.executors.job import Command, Job, Say


class ProcessExecutor:
    """Runs ``script.argv`` in ``script.working_dir`` as it is: no checkout, no packages, no shell."""

    async def prepare(self, job: Job, say: Say) -> Command:
        """Check that folder and command exist. Raises EnvironmentFailed."""
        script = job.task.spec.script
        environ = task_environ(job.environ, script.environment)
        cwd = _folder(script.working_dir, job.attempt_dir)
        if not script.argv or not script.argv[0]:
            raise EnvironmentFailed("the task has no command: executor 'process' needs script.argv")
        if any("\0" in word for word in script.argv):
            raise EnvironmentFailed("the task's command contains a NUL character; remove it from script.argv")
        program = find_program(script.argv[0], cwd, environ)
        return Command(argv=(program, *script.argv[1:]), cwd=cwd, environ=environ)


def _folder(working_dir: str, attempt_dir: Path) -> Path:
    if not working_dir:
        own = attempt_dir / "work"
        own.mkdir(parents=True, exist_ok=True)
        return own
    folder = Path(working_dir)
    if not folder.is_absolute():
        raise EnvironmentFailed(f"working directory '{working_dir}' is not an absolute path")
    if not folder.exists():
        raise EnvironmentFailed(f"working directory '{folder}' does not exist on this host; create it there")
    if not folder.is_dir():
        raise EnvironmentFailed(f"working directory '{folder}' is not a directory")
    if not os.access(folder, os.X_OK):
        raise EnvironmentFailed(f"working directory '{folder}' may not be entered by the agent's user")
    return folder


def find_program(name: str, cwd: Path, environ: dict[str, str]) -> str:
    """The program's path, found as a shell in ``cwd`` would. Raises EnvironmentFailed."""
    if "/" not in name:
        found = shutil.which(name, path=environ.get("PATH", os.defpath))
        if found is None:
            raise EnvironmentFailed(f"command '{name}' was not found on this host; install it, or give its full path")
        return found if Path(found).is_absolute() else str(Path(found).absolute())
    path = cwd / name
    if not path.exists():
        raise EnvironmentFailed(f"command '{path}' does not exist on this host")
    if path.is_dir():
        raise EnvironmentFailed(f"command '{path}' is a directory; name a program")
    if not os.access(path, os.X_OK):
        raise EnvironmentFailed(f"command '{path}' is not executable; run: chmod +x '{path}'")
    return str(path)
