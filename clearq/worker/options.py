"""What a function worker was asked to be."""

from __future__ import annotations

from dataclasses import dataclass

from clearq.errors import UsageError

#: Functions that one process runs at once, unless asked for otherwise.
CONCURRENCY = 100

#: What to do about several apps.
ONE_EACH = (
    "Start a command for each app. Those that share a queue need names, Clearq(name=...), or else their workers are "
    "handed each other's functions."
)

#: Seconds that running functions get to end after SIGTERM, unless asked for otherwise.
GRACE = 30.0


@dataclass(frozen=True)
class WorkerOptions:
    """One ``clearq worker run``. Raises UsageError for what cannot be."""

    app: str  #: ``module:attribute``
    queues: tuple[str, ...] = ()  #: names, in order of priority; empty: those that the app's functions name
    processes: int = 1
    concurrency: int = CONCURRENCY  #: functions at once, in each process
    burst: bool = False  #: end when nothing is left to do
    grace: float = GRACE  #: seconds that running functions get after SIGTERM
    name: str = ""  #: beginning of the workers' labels; empty: made from the host's name

    metrics: str = ""  #: ``[HOST:]PORT`` where its metrics are served; empty: nowhere

    def __post_init__(self) -> None:
        module, colon, attribute = self.app.partition(":")
        if "," in self.app or len(self.app.split()) > 1:
            raise UsageError(f"{self.app!r} is more than one app: a worker runs one.\n{ONE_EACH}")
        if not (module and colon and attribute):
            example = f"{as_module(module) or 'tasks'}:{attribute or 'app'}"
            raise UsageError(f"{self.app!r} names no app; write module:attribute, such as {example}")
        if len(set(self.queues)) != len(self.queues):
            raise UsageError(f"a queue is named twice: {' '.join(self.queues)}")
        for word, number in (("--processes", self.processes), ("--concurrency", self.concurrency)):
            if number < 1:
                raise UsageError(f"{word} must be 1 or more")
        if self.grace < 0:
            raise UsageError("--grace must be 0 or more")


def as_module(path: str) -> str:
    """The module's name, where a file was named: ``./jobs/tasks.py`` is ``jobs.tasks``."""
    return path.removesuffix(".py").strip("./").replace("/", ".")
