"""One job as arq runs it: ctx, hooks, tries, timeout. What is not said here is the function worker's."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

from clearq.arq.words import JobExecutionFailed, is_a
from clearq.functions.context import Context, current
from clearq.functions.signals import Fail, Retry

if TYPE_CHECKING:
    from clearq.app import Clearq

log = logging.getLogger("clearq.arq")

Hook = Callable[[dict[Any, Any]], Awaitable[Any]]

#: Seconds that ``after_job_end`` waits for the end to be stored, and that a worker which ends waits for the hooks.
STORED_WITHIN = 10.0


@dataclass(frozen=True)
class Limits:
    """Of one function."""

    timeout: float  #: seconds
    tries: int
    retry: bool  #: does arq's Retry count


class AfterEnd:
    """``after_job_end``: runs beside the jobs, once the end is stored."""

    def __init__(self, app: Clearq, hook: Hook | None) -> None:
        self._app, self._hook = app, hook
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, id: str, ctx: dict[Any, Any]) -> None:
        """The job is about to end."""
        if self._hook is not None:
            task = asyncio.create_task(self._run(self._hook, id, ctx))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Until all have run."""
        if self._running:
            await asyncio.wait(self._running, timeout=STORED_WITHIN)

    async def _run(self, hook: Hook, id: str, ctx: dict[Any, Any]) -> None:
        try:
            async with asyncio.timeout(STORED_WITHIN):
                functions, pause = (await self._app.engine()).functions, 0.005
                while (await functions.states([id]))[0].status == "in_progress":
                    await asyncio.sleep(pause)
                    pause = min(0.2, pause * 2)
        except Exception as error:  # noqa: BLE001  # the hook is to run all the same
            log.warning("after_job_end of %s runs before its end is known to be stored: %r", id, error)
        try:
            await hook(ctx)
        except Exception:  # a hook of the user's; the job has ended
            log.exception("after_job_end of %s failed", id)


@dataclass(frozen=True)
class Hooks:
    """What the settings want around each job."""

    ctx: dict[Any, Any]
    start: Hook | None
    end: Hook | None
    after: AfterEnd


def wrapped(coroutine: Callable[..., Any], limits: Limits, hooks: Hooks) -> Callable[..., Any]:
    """A function for clearq's worker: it takes the job's own data where ``coroutine`` takes ``ctx``."""

    @functools.wraps(coroutine)
    async def run(data: dict[str, Any], /, *args: Any, **kwargs: Any) -> Any:
        context = current()
        ctx = {**hooks.ctx, **_job_ctx(data, context)}
        _refuse(data, limits, ctx["job_try"])
        if hooks.start:
            await hooks.start(ctx)
        try:
            try:
                return await asyncio.wait_for(coroutine(ctx, *args, **kwargs), limits.timeout)
            except Exception as error:  # noqa: BLE001  # judged as arq does
                signal, cause = _as_signal(error, limits, ctx["job_try"])
                raise signal from cause
        finally:
            hooks.after.begin(context.id, ctx)
            if hooks.end:
                await hooks.end(ctx)

    # The arguments are checked as the user declared them; ``ctx`` is ours to make, whatever it is said to be.
    signature = inspect.signature(coroutine)
    first = next(iter(signature.parameters), "")
    run.__dict__["__signature__"] = signature
    run.__annotations__ = {name: hint for name, hint in run.__annotations__.items() if name != first}
    return run


def _job_ctx(data: dict[str, Any], context: Context) -> dict[str, Any]:
    return {
        "job_id": data.get("id", context.id),
        "job_try": max(1, int(data.get("try", 1))) + context.attempt - 1,
        "enqueue_time": datetime.fromtimestamp(context.enqueued, UTC),
        "score": int(1000 * data.get("at", context.enqueued)),
    }


def _refuse(data: dict[str, Any], limits: Limits, job_try: int) -> None:
    """Raises Fail for a job that is not to be run."""
    if time() > data.get("expires", float("inf")):
        raise Fail from JobExecutionFailed("job expired")
    if job_try > limits.tries:
        raise Fail from JobExecutionFailed(f"max {limits.tries} retries exceeded")


def _as_signal(error: Exception, limits: Limits, job_try: int) -> tuple[Exception, Exception]:
    """What the worker is told, and why. arq runs a job again only when it asks for that."""
    asked = is_a(error, "Retry") or is_a(error, "RetryJob")
    if not limits.retry or not asked:
        return Fail(), error
    if job_try >= limits.tries:
        return Fail(), JobExecutionFailed(f"max {limits.tries} retries exceeded")
    return Retry(str(error), delay=(getattr(error, "defer_score", None) or 0) / 1000), error
