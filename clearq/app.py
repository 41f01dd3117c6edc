"""``Clearq``: the async face. Functions and scripts as tasks, and their queues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from pydantic import SecretStr

from clearq.engine import Engine
from clearq.errors import TaskFailed, UsageError
from clearq.functions.client import client_of
from clearq.functions.face import FunctionFace
from clearq.models import (
    ArtifactInfo,
    EnqueueResponse,
    Event,
    LogLine,
    Needs,
    Parameter,
    Place,
    Queue,
    ScalarSummary,
    Status,
    Task,
    TaskSpec,
)
from clearq.sdk.code import recorded
from clearq.sdk.loop import background
from clearq.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Submission:
    """How a task is put into a queue."""

    queue: str = "default"
    priority: int = 0  #: -1000 to 1000, higher first
    delay: float | None = None  #: seconds
    due: float | None = None  #: seconds since the epoch
    key: str | None = None  #: while an earlier task holds it, that one is returned and nothing is made
    create_queue: bool = False


@dataclass(frozen=True)
class ScriptCall:
    """A script of this machine with what it is to be given."""

    path: str | Path  #: from ``directory``; or ``-m module``
    arguments: Sequence[str] = ()
    directory: Path = field(default_factory=Path.cwd)
    name: str = ""  #: default: the script's name
    project: str = ""
    tags: Sequence[str] = ()
    parameters: dict[str, Parameter] = field(default_factory=dict)
    needs: Needs = field(default_factory=Needs)
    #: Requirement lines instead of those that its imports tell.
    requirements: str | None = None


class Clearq(FunctionFace):
    """Tasks and queues of one server, as coroutines. Connects on first use; use it as a context or ``close`` it.

    ``Clearq()`` reads ``CLEARQ_URL``, else it uses (and starts) this user's embedded server. An object may be used
    in several event loops; each has connections of its own. ``name`` gives its functions a lane of their own, which
    only workers of that app take from. Every call raises :class:`~clearq.errors.StorageUnavailable` when the server
    stays away for longer than ``settings.patience``.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        name: str = "",
        namespace: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(name)
        given: dict[str, Any] = {}
        if url is not None:
            given["url"] = SecretStr(url)
        if namespace is not None:
            given["namespace"] = namespace
        self.settings = settings.model_copy(update=given) if settings else Settings(**given)
        #: Makes an engine instead of connecting to ``settings.url``; for tests (:mod:`clearq.testing`).
        self.connector: Callable[[], Awaitable[Engine]] | None = None

    async def _connect(self) -> Engine:
        return await (self.connector() if self.connector is not None else Engine.connect(self.settings))

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on a loop in the background and wait for it. Raises UsageError inside a running loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return background.run(work)
        work.close()
        raise UsageError("A ..._sync call would block this event loop: await the call without _sync instead.")

    async def engine(self) -> Engine:
        """All verbs there are: queues, workers, claims, events, logs, metrics."""
        return (await client_of(self)).engine

    async def __aenter__(self) -> Self:
        await self.engine()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def submit(self, what: TaskSpec | ScriptCall, how: Submission = Submission()) -> Handle:
        """Make a task and enqueue it, in one step. Raises QueueNotFound, SpecError, UsageError."""
        spec = await self._describe(what)
        engine = await self.engine()
        task_id = await engine.tasks.submit(
            spec,
            how.queue,
            priority=how.priority,
            delay=how.delay,
            due=how.due,
            key=how.key,
            create_queue=how.create_queue,
        )
        return Handle(self, task_id)

    async def create(self, what: TaskSpec | ScriptCall) -> Handle:
        """Make a draft; :meth:`enqueue` it later."""
        spec = await self._describe(what)
        return Handle(self, (await (await self.engine()).tasks.create(spec)).id)

    async def _describe(self, what: TaskSpec | ScriptCall) -> TaskSpec:
        if isinstance(what, TaskSpec):
            return what
        return await asyncio.to_thread(_script_spec, what, self.settings.embedded)

    async def enqueue(
        self, task: Handle | str, queue: str = "default", *, priority: int | None = None, force: bool = False
    ) -> EnqueueResponse:
        """Put a draft (or a stopped or failed task; with ``force`` any ended one) into a queue.

        Raises StatusConflict, TaskNotFound, QueueNotFound.
        """
        engine = await self.engine()
        return await engine.tasks.enqueue(_id(task), queue, priority=priority, force=force)

    async def dequeue(self, task: Handle | str) -> None:
        """Take a waiting task out of its queue; it is a draft again."""
        await (await self.engine()).tasks.dequeue(_id(task))

    async def move(self, queue: str, task: Handle | str, place: Place) -> int | None:
        """Give a waiting task another place; returns its new index from 0, the head (delayed: ``None``)."""
        return await (await self.engine()).queues.move(queue, _id(task), place)

    async def get(self, text: str) -> Handle:
        """A handle on an existing task, by its id or a beginning that no other has. Raises TaskNotFound."""
        return Handle(self, await (await self.engine()).tasks.resolve(text))

    async def find(self, *, project: str | None = None, limit: int = 100, **wanted: Any) -> list[Task]:
        """Tasks that match (``name``, ``tags``, ``statuses``, ``types``, ``archived``), newest change first."""
        return await (await self.engine()).tasks.find(project=project, limit=limit, **wanted)

    async def queues(self) -> list[Queue]:
        """The queues with their counts of this moment."""
        return await (await self.engine()).queues.list()

    async def events(self, after: str = "$") -> AsyncIterator[Event]:
        """What happens from now on (or after an event's id), as it happens."""
        engine = await self.engine()
        async for event in engine.events.follow(after):
            yield event


@dataclass(frozen=True)
class Handle:
    """One task, seen through an app."""

    app: Clearq
    id: str

    async def task(self) -> Task:
        """The task as it is now."""
        return await (await self.app.engine()).tasks.get(self.id)

    async def status(self) -> Status:
        """Where it stands."""
        return (await self.task()).status

    async def wait(self, timeout: float | None = None, *, check: bool = False) -> Task:
        """Until the task has ended. Raises WaitTimeout; with ``check`` TaskFailed unless it completed."""
        task = await (await self.app.engine()).tasks.wait(self.id, timeout)
        if check and task.status not in (Status.COMPLETED, Status.PUBLISHED):
            reason = task.status_reason or task.status_message or "no reason was given"
            raise TaskFailed(f"Task {self.id} is {task.status}: {reason}")
        return task

    async def stop(self, reason: str = "") -> Literal["stopped", "stopping"]:
        """Ask it to end; a waiting one is stopped at once."""
        return await (await self.app.engine()).tasks.stop(self.id, reason=reason)

    async def logs(self, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """Its console output; with ``follow`` until it has ended."""
        engine = await self.app.engine()
        if follow:
            async for line in engine.logs.follow(self.id):
                yield line
            return
        after = "0"
        while lines := await engine.logs.read(self.id, after=after):
            for line in lines:
                yield line
            after = lines[-1].id

    async def scalars(self) -> list[ScalarSummary]:
        """Last, least and greatest value of each metric and variant."""
        return await (await self.app.engine()).metrics.summary(self.id)

    async def artifacts(self) -> dict[str, ArtifactInfo]:
        """Name to entry of what it left behind."""
        return await (await self.app.engine()).artifacts.list(self.id)

    async def clone(self, *, name: str | None = None, project: str | None = None) -> Handle:
        """A draft with the same description."""
        engine = await self.app.engine()
        return Handle(self.app, (await engine.tasks.clone(self.id, name=name, project=project)).id)

    async def delete(self, *, force: bool = False) -> None:
        """Delete it; ``force``: also while it waits."""
        await (await self.app.engine()).tasks.delete(self.id, force=force)


def _id(task: Handle | str) -> str:
    return task.id if isinstance(task, Handle) else task


def _script_spec(call: ScriptCall, same_host: bool) -> TaskSpec:
    entry = str(call.path)
    script = recorded(call.directory, entry, same_host=same_host)
    update: dict[str, Any] = {"argv": tuple(call.arguments)}
    if call.requirements is not None:
        update["requirements"] = call.requirements
    return TaskSpec(
        name=call.name or (entry.removeprefix("-m ").strip() if entry.startswith("-m") else Path(entry).stem),
        project=call.project,
        tags=tuple(call.tags),
        script=script.model_copy(update=update),
        parameters=call.parameters,
        needs=call.needs,
    )
