"""Claims: how workers get their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearq.clock import seconds
from clearq.engine import codec
from clearq.engine.ids import nonce
from clearq.engine.queues import decode_queue
from clearq.errors import Stale, UsageError
from clearq.models.attempt import Claim
from clearq.models.queue import Queue
from clearq.models.task import Task
from clearq.storage import Storage
from clearq.storage.scripts import HEAD_FIELDS

#: Tasks that one claim takes at most: about 10 ms of the server's time.
MOST_CLAIMS = 200


@dataclass(frozen=True)
class QueueView:
    """A queue as an agent sees it: its first tasks, with only what a decision needs (no code)."""

    queue: Queue
    heads: tuple[Task, ...]


@dataclass(frozen=True)
class Snapshot:
    """What an agent decides by."""

    at: float
    queues: tuple[QueueView, ...]
    gpus_held: Mapping[str, str]  #: UUID to who holds it on the agent's host


class Claims:
    """Look, then take."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._numbers: dict[str, int] = {}

    async def snapshot(self, worker_id: str, queues: Sequence[str], *, heads: int = 100) -> Snapshot:
        """The heads of ``queues`` (ids, in the agent's order). The worker is parked as idle in the same step:
        whatever comes later rings its bell. Raises Stale when the worker was declared dead.
        """
        answer = await self._storage.script("snapshot", "", worker_id, str(heads), *queues)
        if answer[0] == "gone":
            raise Stale(f"Worker {worker_id} was declared dead; it must register anew.")
        _, now, held, *views = answer
        decoded = (_decode_view(view) for view in views)
        return Snapshot(seconds(now), tuple(view for view in decoded if view), codec.flat_to_dict(held))

    async def claim_task(
        self,
        worker_id: str,
        task: Task,
        *,
        queue_rev: int,
        host_id: str,
        boot_id: str,
        gpus: Sequence[str] = (),
    ) -> Claim | str:
        """Take this very task with these very GPUs, if it is still as it was seen.

        Returns the claim, or why not: ``gone`` (somebody else has it), ``stale`` (it or its queue changed:
        look again), ``paused``, ``gpu_held``, ``dead`` (this worker was declared dead).
        """
        return await self._claim(
            worker_id, task.id, [str(task.rev), task.queue, str(queue_rev), host_id, boot_id, *gpus]
        )

    async def claim_draft(
        self, worker_id: str, task_id: str, *, host_id: str, boot_id: str, gpus: Sequence[str] = ()
    ) -> Claim | str:
        """Take a task that waits in no queue (``clearq agent execute --id``). Refusals as in claim_task."""
        return await self._claim(worker_id, task_id, ["", "", "", host_id, boot_id, *gpus])

    async def _claim(self, worker_id: str, task_id: str, rest: list[str]) -> Claim | str:
        answer = await self._storage.script("claim_task", "", worker_id, nonce(), task_id, *rest)
        if answer[0] != "claimed":
            return str(answer[0])
        return _decode_claim(worker_id, [task_id, *answer[1:]])

    async def claim_many(
        self,
        worker_id: str,
        queues: Sequence[str],
        count: int,
        *,
        weights: Sequence[int] | None = None,
        kinds: Sequence[str] = ("fn",),
    ) -> list[Claim]:
        """Take up to ``count`` (at most 200) tasks of ``queues`` (ids) in one step.

        Without ``weights`` the order is strict: a later queue only when the earlier ones are empty. With
        weights, each queue in turn gives up to its weight (all ones: rotation; the caller turns the list).
        ``kinds`` are the lanes it can run: ``fn``, ``fn.<app>``, ``q``. Raises Stale when the worker was
        declared dead.
        """
        if weights is not None and (len(weights) != len(queues) or min(weights, default=1) < 1):
            raise UsageError("weights must be positive and one for each queue.")
        count = min(count, MOST_CLAIMS)
        turns = weights or [count] * len(queues)
        number = self._numbers[worker_id] = self._numbers.get(worker_id, 0) + 1
        flat = [text for queue, turn in zip(queues, turns, strict=True) for text in (queue, str(turn))]
        answer = await self._storage.script(
            "claim_many", "", worker_id, nonce(), str(count), str(number), " ".join(kinds), *flat
        )
        if answer[0] == "dead":
            raise Stale(f"Worker {worker_id} was declared dead; it must register anew.")
        return [_decode_claim(worker_id, entry) for entry in answer[1:]] if answer[0] == "claimed" else []

    async def own(self, holder_id: str) -> dict[str, str]:
        """Task id to fence of every attempt this holder answers for."""
        entries = await self._storage.command("HGETALL", self._storage.keys("own", holder_id))
        return {task_id: entry.split(" ", 1)[0] for task_id, entry in entries.items()}


def _decode_claim(worker_id: str, entry: Sequence[Any]) -> Claim:
    task_id, fence, flat = entry
    return Claim(task=codec.decode_task(task_id, codec.flat_to_dict(flat)), fence=fence, holder=worker_id)


def _decode_view(view: Sequence[Any]) -> QueueView | None:
    id, flat, waiting, heads = view
    fields = codec.flat_to_dict(flat)
    if not fields:
        return None  # deleted meanwhile
    tasks = []
    for task_id, *values in heads:
        known = {name: value for name, value in zip(HEAD_FIELDS, values, strict=True) if value is not None}
        if "name" in known:
            tasks.append(codec.decode_task(task_id, {**known, "status": "queued", "queue": id}))
    return QueueView(decode_queue(id, fields, waiting=int(waiting)), tuple(tasks))
