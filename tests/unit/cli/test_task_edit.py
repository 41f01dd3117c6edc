"""Edits of a task's description."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import pytest

from clearq.cli.task_edit import changed, register
from clearq.errors import SpecError, UsageError
from clearq.models import Parameter, TaskSpec

SPEC = TaskSpec(
    name="train",
    parameters={
        "Args/lr": Parameter(value="0.1", type="float", description="learning rate"),
        "Args/epochs": Parameter(value="3", type="int"),
        "Args/amp": Parameter(value="False", type="bool"),
    },
)


def flags(*words: str) -> Namespace:
    verbs: Any = ArgumentParser().add_subparsers()
    register(verbs)
    return verbs.choices["edit"].parse_args(["TASK", *words])  # type: ignore[no-any-return]


def test_parameters_keep_their_type_and_description() -> None:
    spec = changed(SPEC, flags("--set", "Args/lr=0.5", "--set", "Args/amp=yes", "--set", "General/new=a=b"))
    assert spec.parameters["Args/lr"] == Parameter(value="0.5", type="float", description="learning rate")
    assert spec.parameters["Args/amp"].value == "True"
    assert spec.parameters["General/new"] == Parameter(value="a=b")
    assert spec.parameters["Args/epochs"] == SPEC.parameters["Args/epochs"]


@pytest.mark.parametrize("word", ["Args/lr=fast", "Args/epochs=1.5", "Args/amp=maybe", "lr=1"])
def test_values_of_another_type_are_refused(word: str) -> None:
    with pytest.raises(UsageError):
        changed(SPEC, flags("--set", word))


def test_other_fields() -> None:
    words = ["--name", "b", "--tag", "x", "--tag", "y", "--gpus", "2", "--time-limit", "1h", "--unset", "Args/lr"]
    spec = changed(SPEC, flags(*words))
    assert (spec.name, spec.tags, spec.needs.gpus, spec.limits.time_limit) == ("b", ("x", "y"), 2, 3600)
    assert "Args/lr" not in spec.parameters
    assert changed(spec, flags("--time-limit", "0")).limits.time_limit is None


def test_what_the_models_refuse_is_an_error_of_the_description() -> None:
    with pytest.raises(SpecError, match="name"):
        changed(SPEC, flags("--name", ""))
    with pytest.raises(UsageError, match="no parameter"):
        changed(SPEC, flags("--unset", "Args/none"))
