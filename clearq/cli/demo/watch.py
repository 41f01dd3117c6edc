"""What the demo knows of its tasks, queues and workers: read through the engine a few times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from clearq.engine import Engine
from clearq.models.event import Event
from clearq.models.queue import Queue
from clearq.models.status import Stage as TaskStage
from clearq.models.status import Status
from clearq.models.task import Task
from clearq.models.worker import Worker

#: Seconds between two looks.
INTERVAL = 0.25


@dataclass
class Picture:
    """One look at everything. ``accuracy`` and ``epochs`` are the newest that each task reported."""

    tasks: dict[str, Task] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    accuracy: dict[str, float] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)


class Watch:
    """Looks again and again, remembers the order of claims, and lets others wait for a condition."""

    def __init__(self, engine: Engine, queues: tuple[str, ...]) -> None:
        self._engine, self._queues = engine, queues
        self._ids: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self._last_event = "0"
        self.picture = Picture()
        self.events: list[Event] = []
        self.story: list[tuple[float, str]] = []
        self.began = time.monotonic()

    def add(self, name: str, task_id: str) -> None:
        """From now on, look at this task too."""
        self._ids[name] = task_id

    def id(self, name: str) -> str:
        """The id of a task of the demo."""
        return self._ids[name]

    def name(self, task_id: str) -> str:
        """The demo's name of a task."""
        return next((name for name, each in self._ids.items() if each == task_id), task_id[:8])

    def task(self, name: str) -> Task | None:
        """The task as last seen."""
        return self.picture.tasks.get(name)

    def tell(self, text: str) -> None:
        """Add a line to the story shown to the user."""
        self.story.append((time.monotonic() - self.began, text))

    def running(self, name: str, epochs: int = 3) -> bool:
        """Is it in the middle of its training?"""
        task = self.task(name)
        return (
            task is not None
            and task.status is Status.IN_PROGRESS
            and task.stage is TaskStage.RUNNING
            and self.picture.epochs.get(name, 0) >= epochs
        )

    def ended(self, name: str) -> bool:
        """Has it ended for good?"""
        task = self.task(name)
        return task is not None and task.ended_for_good

    async def until(self, what: str, condition: Callable[[], bool], timeout: float) -> None:
        """Wait until a look finds ``condition`` true; TimeoutError names ``what`` was waited for."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise TimeoutError(f"waited {timeout:.0f} s in vain for: {what}") from None

    async def run(self, seen: Callable[[], None]) -> None:
        """Look until cancelled, and call ``seen`` after each look."""
        while True:
            await self.look()
            seen()
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Look once and wake whoever waits."""
        engine, picture = self._engine, Picture()
        for name, task_id in self._ids.items():
            picture.tasks[name] = await engine.tasks.get(task_id)
            for summary in await engine.metrics.summary(task_id):
                if (summary.title, summary.series) == ("accuracy", "test"):
                    picture.accuracy[name] = summary.last
                    picture.epochs[name] = summary.iteration
        for queue in self._queues:
            picture.waiting[queue] = [self.name(task.id) for task in await engine.queues.waiting(queue)]
        picture.queues = {queue.name: queue for queue in await engine.queues.list()}
        picture.workers = await engine.workers.list()
        fresh = await engine.events.read(self._last_event, count=500)
        if fresh:
            self._last_event = fresh[-1].id
            self.events += fresh
        async with self._changed:
            self.picture = picture
            self._changed.notify_all()
