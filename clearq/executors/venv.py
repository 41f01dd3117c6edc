"""Executor ``venv``: the task's code and packages, rebuilt on this host by :mod:`clearq.environments`."""

from __future__ import annotations

from clearq.environments.prepare import prepare_environment
from clearq.executors.environ import PROTECTED, task_environ
from clearq.executors.job import Command, Job, Say


class VenvExecutor:
    """Runs ``python -u entry_point arguments`` (or ``-m module``) in the checkout, with its packages."""

    async def prepare(self, job: Job, say: Say) -> Command:
        """Check out, apply the diff, make the packages available. Raises EnvironmentFailed."""
        prepared = await prepare_environment(job.task, job.attempt_dir, job.settings, say)
        base = task_environ(job.environ, job.task.spec.script.environment)
        environ = prepared.environ(base)
        environ.update((name, base[name]) for name in PROTECTED & base.keys())
        return Command(argv=prepared.argv, cwd=prepared.cwd, environ=environ, hold=prepared.hold)
