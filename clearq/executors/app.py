"""The agent's own app: a function is called in the agent's environment and folder, nothing is built for it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from clearq.environments.prepare import calling
from clearq.errors import EnvironmentFailed
from clearq.executors.environ import task_environ
from clearq.executors.job import Command, Job, Say


@dataclass(frozen=True)
class AppExecutor:
    """For functions that need GPUs, under an agent with ``--app``."""

    app: str  #: ``module:attribute``
    folder: Path  #: where the agent was started

    async def prepare(self, job: Job, say: Say) -> Command:
        """Check that the folder is there. Raises EnvironmentFailed."""
        if not self.folder.is_dir():
            raise EnvironmentFailed(
                f"The folder {self.folder}, in which the agent was started, is gone: start the agent anew."
            )
        say(f"Runs in the agent's own environment, with its app {self.app}")
        return Command(calling(Path(sys.executable)), self.folder, task_environ(job.environ, {}))
