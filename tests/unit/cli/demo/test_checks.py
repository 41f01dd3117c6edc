"""The demo notices every outcome that is not the expected one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from clearq.cli.demo.checks import checks, first_claims
from clearq.cli.demo.director import name_of
from clearq.cli.demo.trials import TRIALS, Fate, Source, spec_of
from clearq.cli.demo.watch import Watch
from clearq.models import Event, Status, Task, TaskSpec

ORDER = [1, 2, 3, 8, 4, 5, 6, 7]


@pytest.fixture
def watch() -> Watch:
    """A demo in which everything went well."""
    watch = Watch(None, ("urgent", "normal"))  # type: ignore[arg-type]
    for trial in TRIALS:
        watch.add(trial.name, f"id{trial.number}")
        watch.picture.tasks[trial.name] = ended(trial.name, fate=trial.fate)
        watch.picture.accuracy[trial.name] = 0.95
    watch.events = [claimed(number) for number in ORDER]
    return watch


def ended(name: str, *, fate: Fate) -> Task:
    status = Status.STOPPED if fate is Fate.ABORTED else Status.COMPLETED
    failures, losses = int(fate is Fate.FLAKY), int(fate is Fate.SUPERVISOR_KILLED)
    return Task(
        id="x",
        spec=TaskSpec(name=name),
        status=status,
        failures=failures,
        losses=losses,
        claims=1 + failures + losses,
    )


def claimed(number: int) -> Event:
    return Event(id=f"{number}-0", at=0.0, name="task.claimed", task=f"id{number}")


def failed(watch: Watch, tmp_path: Path, **changes: Any) -> list[str]:
    director = SimpleNamespace(killed_tree=[SimpleNamespace(pid=1, is_running=lambda: False)])
    (tmp_path / "one" / "bin").mkdir(parents=True, exist_ok=True)
    (tmp_path / "one" / "bin" / "python").touch()
    plot = tmp_path / "plot.png"
    plot.write_bytes(b"x" * 2000)
    given: dict[str, Any] = {"director": director, "environments": tmp_path, "plot": plot, **changes}
    return [check.text for check in checks(watch, **given) if not check.ok]


def test_a_good_demo_passes(watch: Watch, tmp_path: Path) -> None:
    assert failed(watch, tmp_path) == []


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.PLAIN])
def test_a_task_that_fared_otherwise_is_noticed(watch: Watch, tmp_path: Path, fate: Fate) -> None:
    name = name_of(fate)
    watch.picture.tasks[name] = watch.picture.tasks[name].model_copy(update={"status": Status.FAILED})
    assert len(failed(watch, tmp_path)) == 1


def test_a_task_that_needed_another_attempt_is_noticed(watch: Watch, tmp_path: Path) -> None:
    name = name_of(Fate.AGENT_KILLED)
    watch.picture.tasks[name] = watch.picture.tasks[name].model_copy(update={"claims": 2})
    assert len(failed(watch, tmp_path)) == 1


def test_a_wrong_order_is_noticed(watch: Watch, tmp_path: Path) -> None:
    watch.events = [claimed(number) for number in sorted(ORDER)]
    assert len(failed(watch, tmp_path)) == 1
    watch.events = [claimed(number) for number in reversed(ORDER)]
    assert len(failed(watch, tmp_path)) == 2


def test_only_the_first_claim_counts(watch: Watch) -> None:
    watch.events.append(claimed(2))
    assert first_claims(watch) == [f"trial {number}" for number in ORDER]


def test_a_survivor_a_missing_picture_and_bad_results_are_noticed(watch: Watch, tmp_path: Path) -> None:
    survivor = SimpleNamespace(killed_tree=[psutil.Process()])
    assert len(failed(watch, tmp_path, director=survivor)) == 1
    assert len(failed(watch, tmp_path, plot=None)) == 1
    watch.picture.accuracy = {}
    assert len(failed(watch, tmp_path)) == 1


def test_the_sweep_is_eight_trainings_each_with_its_own_parameters() -> None:
    source = Source("/repository", "main", "c0ffee")
    specs = [spec_of(trial, source) for trial in TRIALS]
    assert len({spec.script.argv for spec in specs}) == 8
    assert all(spec.parameters["Args/lr"].value in spec.script.argv for spec in specs)
    assert [spec.limits.retries for spec in specs].count(1) == 1
