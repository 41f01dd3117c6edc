"""Why a task waits, in one sentence, from the same rules that decide."""

from __future__ import annotations

from collections.abc import Sequence

from clearq.models import Queue, Stage, Status, Task, Worker
from clearq.models.limit import LimitKey, Size
from clearq.models.task import NOT_COUNTED, ExecutorKind
from clearq.policies.decide import Card, Host, Waiting, obstacle

#: What an agent runs that does not say so itself.
DEFAULT_EXECUTORS = ("process", "venv")


def explain(
    task: Task,
    *,
    queue: Queue | None,
    ahead: int = 0,
    workers: Sequence[Worker] = (),
    now: float = 0.0,
    limit: LimitKey | None = None,
    parent: Task | None = None,
) -> str:
    """One sentence that says what ``task`` waits for, or that it does not wait.

    ``queue``: the one it waits in; ``ahead``: tasks before it there; ``workers``: all live workers;
    ``now``: the server's time; ``limit``: the key it is held on; ``parent``: one that has not ended of the tasks that
    it runs after. The first reason that holds is the answer, the
    hardest one first.
    """
    if task.status is not Status.QUEUED:
        return _not_waiting(task)
    if queue is None:
        return f"Its queue {task.queue!r} does not exist any more; enqueue it again into another one."
    if task.waits:
        return _after(task, parent)
    if task.due is not None and task.due > now:
        return f"It is not due before {_span(task.due - now)} from now{_retry_words(task)}."
    if queue.pause is not None:
        why = f" because {queue.pause.why}" if queue.pause.why else ""
        return f"Queue {queue.name!r} was paused by {queue.pause.by or 'somebody'}{why}; resume it to go on."
    lean = task.spec.executor is ExecutorKind.FUNCTION and not task.spec.function.name
    serving = [worker for worker in workers if worker.alive and _serves(worker, queue, lean)]
    others = [worker for worker in workers if worker.alive and _serves(worker, queue, not lean)]
    nobody = "" if serving else _nobody(queue, lean, others)
    if limit is not None:
        return f"{_held(limit)} {nobody}".rstrip()
    if nobody:
        return nobody
    return ("" if lean else _no_fit(task, serving)) or _busy(ahead, serving, queue)


def _not_waiting(task: Task) -> str:
    if task.status is Status.CREATED:
        why = f" ({task.status_reason})" if task.status_reason else ""
        return f"It is a draft: it was taken off its queue{why}." if task.enqueued else "It is a draft, not enqueued."
    if task.status is Status.IN_PROGRESS and task.stage is Stage.LOST:
        return "Its worker is silent; it is waited for and then given to another one."
    if task.status is Status.IN_PROGRESS:
        stage = f", stage {task.stage.value}" if task.stage else ""
        return f"It does not wait: {task.worker or 'a worker'} runs it{stage}."
    reason = f" ({task.status_reason})" if task.status_reason else ""
    return f"It does not wait: it is {task.status.value}{reason}."


def _after(task: Task, parent: Task | None) -> str:
    if parent is None:
        return f"It waits for {task.waits:,} of the {len(task.after):,} tasks that it runs after."
    named = f"task {parent.id} ({parent.spec.name}, {parent.status.value})"
    others = task.waits - 1
    return f"It waits for {named}{f' and {others:,} more' if others else ''} to end."


def _held(limit: LimitKey) -> str:
    others = "; it is the only one" if limit.held == 1 else f"; {limit.held:,} tasks wait for one" if limit.held else ""
    if limit.permits is None:
        return f"It waits for a permit of limit {limit.key!r}, which is not limited any more: it is looked at soon."
    if limit.taken < limit.permits:
        return f"It waits for a permit of limit {limit.key!r}; {limit.permits - limit.taken:,} are free just now."
    size = Size(limit.permits, limit.period)
    if limit.period is not None:
        return f"It waits for a permit of limit {limit.key!r}: its {size} are used up{others}."
    return f"It waits for a permit of limit {limit.key!r}: {limit.taken:,} of {limit.permits:,} are taken{others}."


def _retry_words(task: Task) -> str:
    if task.status_message == NOT_COUNTED:
        return f" ({task.status_reason})" if task.status_reason else ""
    return f" (retry after failure {task.failures}: {task.status_reason or 'no reason given'})" if task.failures else ""


def _nobody(queue: Queue, lean: bool, others: Sequence[Worker]) -> str:
    """``others``: those that serve the queue, but not such tasks."""
    if lean:
        who, start = "function worker", f"clearq worker run MODULE:APP --queues {queue.name!r}"
        but = "agents do, which run scripts and functions with GPUs"
    else:
        who, start = "agent", f"clearq agent daemon --queue {queue.name!r}"
        but = "function workers do, which run neither scripts nor functions with GPUs"
    return f"No {who} serves queue {queue.name!r}{f' ({but})' if others else ''}; start one with: {start}"


def _serves(worker: Worker, queue: Queue, lean: bool) -> bool:
    kind = "function" if lean else "script"
    return any(lane.queue == queue.id and lane.kind.partition(".")[0] == kind for lane in worker.info.lanes)


def _no_fit(task: Task, serving: Sequence[Worker]) -> str:
    waiting = Waiting.of(task)
    obstacles = [obstacle(waiting, _host(worker)) for worker in serving]
    if not all(obstacles):
        return ""
    if all(text.startswith("executor") for text in obstacles):
        return f"Executor {waiting.executor} is served by no worker of its queue."
    largest = max(len(worker.info.gpus) for worker in serving)
    needed = task.spec.needs.gpus
    if needed > largest:
        plural = "s" if needed != 1 else ""
        return f"It needs {needed} GPU{plural}, the largest agent of its queue has {largest}."
    return f"No agent of its queue can run it: {obstacles[0]}."


def _host(worker: Worker) -> Host:
    """What an agent could do if it were idle."""
    return Host(
        slots_free=worker.info.slots,
        cards=tuple(Card(uuid) for uuid in worker.info.gpus),
        executors=frozenset(worker.info.executors or DEFAULT_EXECUTORS),
    )


def _busy(ahead: int, serving: Sequence[Worker], queue: Queue) -> str:
    before = f"{ahead} task{'s' if ahead != 1 else ''} before it in queue {queue.name!r}"
    idle = [worker for worker in serving if not worker.tasks or _has_room(worker)]
    workers = f"{len(serving)} worker{'s' if len(serving) != 1 else ''}"
    if ahead and not idle:
        return f"{before}, and its {workers} {_are(serving)} busy."
    if ahead:
        return f"{before}."
    if not idle:
        return f"It is next in queue {queue.name!r}; its {workers} {_are(serving)} busy."
    others = [worker.state for worker in idle if worker.state.startswith(("waits", "takes no tasks"))]
    if others:
        return f"It is next in queue {queue.name!r}; the free worker {others[0]}."
    return f"It is next in queue {queue.name!r}; a worker is about to take it."


def _has_room(worker: Worker) -> bool:
    """An agent's slots are not alike; those of a function worker are."""
    return worker.info.kind == "function" and len(worker.tasks) < worker.info.slots


def _are(items: Sequence[Worker]) -> str:
    return "is" if len(items) == 1 else "are"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
