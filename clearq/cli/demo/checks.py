"""Was every outcome of the demo the expected one?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from clearq.cli.demo.director import Director, name_of
from clearq.cli.demo.trials import QUEUES, TRIALS, Fate
from clearq.cli.demo.watch import Watch
from clearq.models.status import Status

#: What the best of the trainings reaches at least, even on a slow machine.
_GOOD_ACCURACY = 0.9


@dataclass(frozen=True)
class Check:
    """One expected outcome; ``seen`` says what was found instead when it is not ``ok``."""

    text: str
    ok: bool
    seen: str = ""


def checks(watch: Watch, director: Director, environments: Path, plot: Path | None) -> list[Check]:
    """All checks, in the order in which things happened."""
    order = first_claims(watch)
    return [
        *_order(order),
        *_fates(watch, director),
        *_results(watch, environments, plot),
    ]


def first_claims(watch: Watch) -> list[str]:
    """The names of the trials in the order in which they were first given to a worker."""
    order: dict[str, None] = {}
    for event in watch.events:
        if event.name == "task.claimed" and event.task:
            order.setdefault(watch.name(event.task))
    return list(order)


def _order(order: list[str]) -> Iterator[Check]:
    urgent = {trial.name for trial in TRIALS if trial.queue == QUEUES[0]}
    trials = [name for name in order if name.startswith("trial")]
    yield Check(
        f"all of {QUEUES[0]} started before any of {QUEUES[1]}",
        set(trials[: len(urgent)]) == urgent,
        ", ".join(trials),
    )
    normal = [name for name in trials if name not in urgent]
    front = name_of(Fate.FRONT)
    yield Check(f"{front}, moved to the front, started first of {QUEUES[1]}", normal[:1] == [front], ", ".join(normal))


def _fates(watch: Watch, director: Director) -> Iterator[Check]:
    flaky = watch.task(name_of(Fate.FLAKY))
    yield Check(
        f"{name_of(Fate.FLAKY)} failed once, was retried by itself and completed",
        flaky is not None and (flaky.failures, flaky.status) == (1, Status.COMPLETED),
        repr(flaky and (flaky.failures, flaky.status.value)),
    )
    agent = watch.task(name_of(Fate.AGENT_KILLED))
    yield Check(
        f"{name_of(Fate.AGENT_KILLED)} outlived the kill -9 of its worker: one attempt, completed",
        agent is not None and (agent.claims, agent.losses, agent.status) == (1, 0, Status.COMPLETED),
        repr(agent and (agent.claims, agent.losses, agent.status.value)),
    )
    lost = watch.task(name_of(Fate.SUPERVISOR_KILLED))
    yield Check(
        f"{name_of(Fate.SUPERVISOR_KILLED)} lost its supervisor, ran once more and completed",
        lost is not None and (lost.losses, lost.status) == (1, Status.COMPLETED),
        repr(lost and (lost.losses, lost.status.value)),
    )
    survivors = [process.pid for process in director.killed_tree if _alive(process)]
    yield Check("nothing of its killed attempt survived", bool(director.killed_tree) and not survivors, str(survivors))
    aborted = watch.task(name_of(Fate.ABORTED))
    yield Check(
        f"{name_of(Fate.ABORTED)} was aborted",
        aborted is not None and aborted.status is Status.STOPPED,
        repr(aborted and aborted.status.value),
    )


def _alive(process: psutil.Process) -> bool:
    """Does it still run? One that has ended and only waits for its parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _results(watch: Watch, environments: Path, plot: Path | None) -> Iterator[Check]:
    plain = [trial.name for trial in TRIALS if trial.fate in (Fate.PLAIN, Fate.FRONT)]
    states = {name: task.status.value if (task := watch.task(name)) else "unknown" for name in plain}
    yield Check("every other training completed", set(states.values()) == {"completed"}, repr(states))
    built = [entry.name for entry in environments.glob("*/bin/python")]
    yield Check("one environment was built for all of them", len(built) == 1, f"{len(built)} were built")
    best = max(watch.picture.accuracy.values(), default=0.0)
    yield Check(f"the best accuracy is at least {_GOOD_ACCURACY}", best >= _GOOD_ACCURACY, f"{best:.3f}")
    size = plot.stat().st_size if plot is not None and plot.exists() else 0
    yield Check("the last task drew the picture and kept it as its artifact", size > 1000, f"{size} bytes")
