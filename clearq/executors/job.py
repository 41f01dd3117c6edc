"""What an executor is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clearq.models import Task
from clearq.settings import Settings

#: One line for the task's log.
Say = Callable[[str], None]


class Hold(Protocol):
    """Something shared that must stay while the attempt runs, such as a cached environment."""

    def close(self) -> None:
        """Let it go. Closing twice is harmless."""


@dataclass(frozen=True)
class Job:
    """One attempt to run."""

    task: Task
    attempt_dir: Path
    settings: Settings
    #: The complete base environment: the agent's own, plus ``CLEARQ_ATTEMPT``, ``CLEARQ_MARKER``,
    #: ``CLEARQ_TASK_ID``, ``CUDA_VISIBLE_DEVICES``, ``NVIDIA_VISIBLE_DEVICES``.
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Command:
    """What to start. Call :meth:`close` when its process tree is gone."""

    argv: tuple[str, ...]
    cwd: Path
    environ: Mapping[str, str]
    hold: Hold | None = None

    def close(self) -> None:
        """Give back what was held for it. Closing twice is harmless."""
        if self.hold is not None:
            self.hold.close()


class Executor(Protocol):
    """Prepares an attempt. One instance serves any number of jobs."""

    async def prepare(self, job: Job, say: Say) -> Command:
        """Make ready all that the command needs; ``say`` tells the task's log what is being done.

        Raises :class:`~clearq.errors.EnvironmentFailed` with one sentence that says what to do. Cancelling it
        ends what it had started.
        """
