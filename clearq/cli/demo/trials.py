"""The sweep of the demo: eight trainings in two queues, and what will happen to some of them. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clearq.models.task import ExecutorKind, Limits, Needs, Parameter, Script, TaskSpec

#: Workers serve the first queue before the second.
QUEUES = ("urgent", "normal")

PROJECT = "digits"

#: Seconds that each trial trains.
SECONDS = 5.0


class Fate(StrEnum):
    """What the demo does to a trial."""

    PLAIN = ""
    FLAKY = "breaks down once"
    AGENT_KILLED = "its worker is killed"
    FRONT = "moved to the front"
    SUPERVISOR_KILLED = "its supervisor is killed"
    ABORTED = "aborted"


@dataclass(frozen=True)
class Trial:
    """One training of the sweep."""

    number: int
    queue: str
    lr: float
    hidden: int
    fate: Fate = Fate.PLAIN

    @property
    def name(self) -> str:
        """Such as ``trial 3``."""
        return f"trial {self.number}"


TRIALS = (
    Trial(1, "urgent", 0.003, 32),
    Trial(2, "urgent", 0.01, 32, Fate.FLAKY),
    Trial(3, "urgent", 0.03, 64, Fate.AGENT_KILLED),
    Trial(4, "normal", 0.001, 64, Fate.SUPERVISOR_KILLED),
    Trial(5, "normal", 0.1, 16, Fate.ABORTED),
    Trial(6, "normal", 0.0003, 16),
    Trial(7, "normal", 0.001, 16),
    Trial(8, "normal", 0.003, 64, Fate.FRONT),
)


@dataclass(frozen=True)
class Source:
    """The demo's own git repository."""

    repository: str
    branch: str
    commit: str


def spec_of(trial: Trial, source: Source, seconds: float = SECONDS) -> TaskSpec:
    """The task of one trial: code by reference, hyper-parameters that the agent hands to argparse."""
    args = {"lr": trial.lr, "hidden": trial.hidden, "seconds": seconds, "flaky": trial.fate is Fate.FLAKY}
    return TaskSpec(
        name=trial.name,
        project=PROJECT,
        tags=("demo", "sweep"),
        executor=ExecutorKind.VENV,
        script=_script(source, "train.py", _argv(args)),
        needs=Needs(gpus=0),
        limits=Limits(retries=1 if trial.fate is Fate.FLAKY else 0, retry_delay=0.5, stop_grace=5.0),
        parameters={
            "Args/lr": Parameter(value=str(trial.lr), type="float"),
            "Args/hidden": Parameter(value=str(trial.hidden), type="int"),
            "Args/seconds": Parameter(value=str(seconds), type="float"),
        },
    )


def report_spec(source: Source) -> TaskSpec:
    """The task that draws all trials into one picture and keeps it as its artifact."""
    return TaskSpec(name="report", project=PROJECT, tags=("demo",), script=_script(source, "report.py", ()))


def _argv(args: dict[str, float | int | bool]) -> tuple[str, ...]:
    words: list[str] = []
    for name, value in args.items():
        if isinstance(value, bool):
            words += [f"--{name}"] if value else []
        else:
            words += [f"--{name}", str(value)]
    return tuple(words)


def _script(source: Source, entry_point: str, argv: tuple[str, ...]) -> Script:
    return Script(
        repository=source.repository,
        branch=source.branch,
        commit=source.commit,
        entry_point=entry_point,
        argv=argv,
        environment={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
