"""Run one task here and now, without a queue: ``clearq agent execute --id ID`` (rows B-032, B-033)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from clearq.agent.attempts import attempt_file
from clearq.agent.drain import Drain, Drained
from clearq.agent.echo import Echo
from clearq.agent.folders import AttemptFolder
from clearq.agent.gpu_locks import GpuLocks
from clearq.agent.gpus import Gpu, Nvml, choose
from clearq.agent.membership import Membership
from clearq.agent.options import GpuChoice
from clearq.agent.registry import AgentFile, Registry
from clearq.agent.supervision import STALE, Supervision, run
from clearq.engine import Engine
from clearq.errors import ConflictError, StatusConflict
from clearq.executors.host import this_host
from clearq.executors.kinds import EXECUTORS
from clearq.models import Claim, Outcome, WorkerInfo
from clearq.periodic import Duties, Duty
from clearq.settings import Settings


async def execute(
    settings: Settings,
    engine: Engine,
    task_id: str,
    gpus: GpuChoice,
    write: Callable[[str], None],
) -> Outcome:
    """Run that task to its end with these GPUs; its output goes to ``write``. Ctrl-C stops the task.

    Raises TaskNotFound, StatusConflict (it waits or runs), ConflictError (a GPU is in use).
    """
    host, nvml = this_host(), Nvml()
    cards = choose(gpus, nvml)
    worker = Membership(
        engine,
        Registry(settings),
        WorkerInfo(
            label="-",
            host=host.name,
            host_id=host.host_id,
            boot_id=host.boot_id,
            gpus=tuple(card.uuid for card in cards),
            executors=tuple(kind.value for kind in EXECUTORS),
        ),
        AgentFile(label="-"),
    )
    await worker.join(iter([f"{settings.worker_name or host.name}:execute:{os.getpid()}"]))
    duties, echo = Duties(), Echo(engine, write)
    drain = Drain(engine, host.host_id, nvml, changed=lambda: None)
    try:
        duties.start(Duty("heartbeat", settings.beat_every, lambda: _beat(worker)))
        claim, locks = await _claim(engine, worker, task_id, cards)
        attempt = attempt_file(settings, host, claim, cards, tuple(card.uuid for card in cards))
        folder = AttemptFolder.make(settings.home, attempt)
        folder.own(host.boot_id)
        await echo.begin(claim.task)
        outcome = await run(attempt, folder, _stop, engine=engine)
        folder.note_outcome(outcome)
        drain.begin(Drained(task_id, claim.fence, attempt.gpus), locks)
        if outcome is not STALE:
            await echo.finish()
        await drain.finish()
        await asyncio.to_thread(folder.remove)
        return outcome
    finally:
        await echo.close()
        await duties.close()
        await drain.close()
        await worker.leave()
        worker.close()


async def _claim(
    engine: Engine, worker: Membership, task_id: str, cards: tuple[Gpu, ...]
) -> tuple[Claim, GpuLocks | None]:
    uuids = tuple(card.uuid for card in cards)
    locks = GpuLocks.take(uuids) if uuids else None
    if uuids and locks is None:
        raise ConflictError(f"GPU {_indices(cards)} is in use by another agent of this machine; choose others")
    info = worker.info
    answer = await engine.claims.claim_draft(
        worker.worker_id, task_id, host_id=info.host_id, boot_id=info.boot_id, gpus=uuids
    )
    if isinstance(answer, Claim):
        return answer, locks
    if locks is not None:
        locks.close()
    if answer == "gpu_held":
        raise ConflictError(f"GPU {_indices(cards)} is in use by a task of this machine; choose others")
    task = await engine.tasks.get(task_id)
    raise StatusConflict(
        f"task {task_id} is {task.status.value}, so it cannot be executed by hand; dequeue or stop it first,"
        " or run a copy of it: --clone"
    )


async def _beat(worker: Membership) -> float | None:
    await worker.beat({}, {}, "executes a task by hand", on_work=lambda: None)
    return None


def _stop(running: Supervision, _number: signal.Signals) -> None:
    running.lease.ask_to_stop()


def _indices(cards: tuple[Gpu, ...]) -> str:
    return ", ".join(str(card.index) for card in cards)
