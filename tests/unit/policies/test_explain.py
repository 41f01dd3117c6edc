"""One sentence why a task waits."""

from __future__ import annotations

import pytest

from clearq.models import (
    ExecutorKind,
    Function,
    Lane,
    Needs,
    Pause,
    Queue,
    Stage,
    Status,
    Task,
    TaskSpec,
    Worker,
    WorkerInfo,
)
from clearq.models.limit import LimitKey
from clearq.models.task import NOT_COUNTED
from clearq.policies import explain

QUEUE = Queue(id="gpu", name="GPU Queue")


def task(**changes) -> Task:
    spec = TaskSpec(
        name="t",
        needs=Needs(gpus=changes.pop("gpus", 0)),
        executor=changes.pop("executor", "venv"),
        function=changes.pop("function", Function()),
    )
    return Task(**{"id": "a" * 32, "spec": spec, "status": Status.QUEUED, "queue": "gpu", **changes})


def worker(*, gpus=(), tasks=(), queue="gpu", kind="script", executors=(), state="", alive=True, slots=1) -> Worker:
    of = "function" if kind.startswith("function") else "agent"
    lanes = (Lane(queue=queue, kind=kind),)
    info = WorkerInfo(label="h:0", kind=of, lanes=lanes, gpus=gpus, executors=executors, slots=slots)
    return Worker(id="h:0.x", info=info, tasks=tasks, state=state, alive=alive)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"task": task(status=Status.CREATED)}, ["draft, not enqueued"]),
        (
            {"task": task(status=Status.CREATED, enqueued=1.0, status_reason="queue cleared")},
            ["off its queue (queue c"],
        ),
        ({"task": task(status=Status.COMPLETED, status_reason="exit 0")}, ["completed", "exit 0"]),
        ({"task": task(status=Status.IN_PROGRESS, stage=Stage.RUNNING, worker="h:1")}, ["h:1", "running"]),
        ({"task": task(status=Status.IN_PROGRESS, stage=Stage.LOST)}, ["silent"]),
        ({"task": task(), "queue": None}, ["does not exist"]),
        ({"task": task(due=130.0), "now": 100.0}, ["30 s from now"]),
        (
            {"task": task(due=700.0, failures=2, status_reason="exit code 1"), "now": 100.0},
            ["10 min", "retry after failure 2: exit code 1"],
        ),
        (
            {"task": task(due=700.0, failures=2, status_reason="snoozed", status_message=NOT_COUNTED), "now": 100.0},
            ["from now (snoozed)."],
        ),
        (
            {
                "task": task(),
                "queue": QUEUE.model_copy(update={"pause": Pause(by="ann", why="repair", at=1.0)}),
            },
            ["paused by ann", "repair"],
        ),
        ({"task": task()}, ["No agent serves", "GPU Queue"]),
        ({"task": task(), "workers": [worker(queue="other")]}, ["No agent serves"]),
        (
            {"task": task(), "workers": [worker(kind="function")]},
            [
                "No agent serves",
                "(function workers do, which run neither scripts nor functions with GPUs)",
                "clearq agent",
            ],
        ),
        (
            {
                "task": task(executor="function", function=Function(name="lab.train", module="lab")),
                "workers": [worker(kind="function")],
            },
            ["No agent serves", "clearq agent"],
        ),
        (
            {
                "task": task(executor="function", function=Function(name="lab.train", module="lab")),
                "workers": [worker(executors=("venv",))],
            },
            ["No agent", "its code does not travel: it needs an agent with --app"],
        ),
        (
            {"task": task(executor="function")},
            ["No function worker serves", "clearq worker run MODULE:APP --queues 'GPU Queue'"],
        ),
        (
            {"task": task(executor="function"), "workers": [worker()]},
            ["No function worker serves", "(agents do, which run scripts and functions with GPUs)", "worker run"],
        ),
        ({"task": task(executor="function"), "workers": [worker(kind="function.app")]}, ["about to take it"]),
        (
            {
                "task": task(executor="function", held_on="a:1"),
                "limit": LimitKey(key="a:1", permits=2, taken=2, held=3),
                "workers": [worker(kind="function")],
            },
            ["limit 'a:1'", "2 of 2 are taken", "3 tasks wait"],
        ),
        (
            {"task": task(executor="function"), "limit": LimitKey(key="a", permits=5, period=60, taken=5, held=1)},
            ["limit 'a'", "5/m are used up", "the only one", "No function worker serves"],
        ),
        (
            {"task": task(), "limit": LimitKey(key="a", permits=5, taken=3, held=1), "workers": [worker()]},
            ["limit 'a'", "2 are free just now"],
        ),
        ({"task": task(), "limit": LimitKey(key="a"), "workers": [worker()]}, ["is not limited any more"]),
        (
            {"task": task(after=("b", "c", "d"), waits=2, due=130.0), "parent": task(id="b" * 32)},
            ["waits for task " + "b" * 32, "(t, queued)", "and 1 more"],
        ),
        ({"task": task(after=("b",), waits=1)}, ["waits for 1 of the 1 tasks"]),
        (
            {"task": task(executor="function"), "workers": [worker(kind="function", tasks=("b",), slots=2)]},
            ["about to take it"],
        ),
        (
            {"task": task(executor="function"), "workers": [worker(kind="function", tasks=("b", "c"), slots=2)]},
            ["busy"],
        ),
        ({"task": task(), "workers": [worker(alive=False)]}, ["No agent serves"]),
        (
            {"task": task(gpus=2), "workers": [worker(gpus=("G0",)), worker()]},
            ["needs 2 GPUs", "largest agent", "has 1"],
        ),
        (
            {"task": task(executor=ExecutorKind.DOCKER), "workers": [worker(executors=("venv",))]},
            ["Executor docker is served by no worker"],
        ),
        ({"task": task(), "ahead": 3, "workers": [worker(tasks=("b",))]}, ["3 tasks before it", "busy"]),
        ({"task": task(), "ahead": 1, "workers": [worker()]}, ["1 task before it"]),
        (
            {"task": task(), "workers": [worker(tasks=("b",)), worker(tasks=("c",))]},
            ["next", "2 workers are busy"],
        ),
        (
            {"task": task(), "workers": [worker(state="waits for GPU 1, held by another agent")]},
            ["waits for GPU 1"],
        ),
        ({"task": task(), "workers": [worker()]}, ["about to take it"]),
    ],
)
def test_sentence(given, words):
    sentence = explain(**{"queue": QUEUE, "now": 100.0, **given})
    assert all(word in sentence for word in words), sentence
    assert sentence.count("\n") == 0
