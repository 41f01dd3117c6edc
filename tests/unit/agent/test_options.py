"""The grammar of --gpus, and names of agents."""

from __future__ import annotations

from itertools import islice

import pytest

from clearq.agent.labels import labels
from clearq.agent.options import AgentOptions, GpuChoice, parse_gpus
from clearq.errors import UsageError


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("0", GpuChoice("list", (0,))),
        ("0,1", GpuChoice("list", (0, 1))),
        ("3, 1", GpuChoice("list", (3, 1))),
        ("0-7", GpuChoice("list", tuple(range(8)))),
        ("0-1,4", GpuChoice("list", (0, 1, 4))),
        ("all", GpuChoice("all")),
        ("None", GpuChoice("none")),
    ],
)
def test_gpus(text: str, choice: GpuChoice):
    assert parse_gpus(text) == choice


@pytest.mark.parametrize("text", ["", "a", "0,", "-1", "0-", "3-1", "0,0", "0-2,1", "1.5", "99999"])
def test_gpus_that_are_not_understood(text: str):
    with pytest.raises(UsageError, match="--gpus"):
        parse_gpus(text)


def test_names():
    assert list(labels("lab1", GpuChoice("list", (0, 1)), has_gpus=True)) == ["lab1:gpu0,1"]
    assert list(labels("lab1", GpuChoice("auto"), has_gpus=True)) == ["lab1:gpuall"]
    assert list(labels("lab1", GpuChoice("all"), has_gpus=True)) == ["lab1:gpuall"]
    assert list(labels("lab1", GpuChoice("auto"), has_gpus=True, name="mine")) == ["mine"]
    assert list(islice(labels("lab1", GpuChoice("none"), has_gpus=False), 3)) == ["lab1:0", "lab1:1", "lab1:2"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"queues": ()}, "at least one queue"),
        ({"queues": ("a", "b", "a")}, "twice"),
        ({"slots": 0}, "--slots"),
        ({"app": "tasks"}, "--app 'tasks' names no app"),
    ],
)
def test_options_that_cannot_be(wrong, words: str):
    with pytest.raises(UsageError, match=words):
        AgentOptions(**wrong)
