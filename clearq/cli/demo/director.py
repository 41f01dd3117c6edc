"""Makes things happen in the demo, each at the moment when it is worth seeing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable

import psutil

from clearq.cli.demo.stage import Stage
from clearq.cli.demo.trials import QUEUES, TRIALS, Fate, Source, report_spec, spec_of
from clearq.cli.demo.watch import Watch
from clearq.engine import Engine
from clearq.models.queue import Place
from clearq.models.status import Status

#: Seconds: the first environment is downloaded and built; later steps only wait for trainings.
BUILD, STEP = 150.0, 90.0


class Director:
    """Plays the demo. What it did to whom is kept for the checks."""

    def __init__(
        self, engine: Engine, stage: Stage, watch: Watch, photograph: Callable[[], None] = lambda: None
    ) -> None:
        self._engine, self._stage, self._watch = engine, stage, watch
        self._photograph = photograph  #: keeps the screen of the moment
        self.killed_tree: list[psutil.Process] = []

    async def submit(self, source: Source, seconds: float) -> None:
        """Put the sweep of trainings of ``seconds`` each into two queues, and move one to the front."""
        for queue in QUEUES:
            await self._engine.queues.create(queue)
        for trial in TRIALS:
            task_id = await self._engine.tasks.submit(spec_of(trial, source, seconds), trial.queue)
            self._watch.add(trial.name, task_id)
        self._watch.tell(f"{len(TRIALS)} trainings wait in the queues {' and '.join(QUEUES)}")
        front = name_of(Fate.FRONT)
        await self._engine.queues.move(QUEUES[1], self._watch.id(front), Place(front=True))
        self._watch.tell(f"{front} is moved to the front of the queue {QUEUES[1]}")

    async def play(self, source: Source) -> None:
        """Everything from the first worker to the finished picture."""
        for label in ("worker-1", "worker-2"):
            pid = self._stage.start_agent(label)
            self._watch.tell(f"{label} starts (process {pid}) and serves {QUEUES[0]} before {QUEUES[1]}")
        self._watch.tell("the first tasks have their environment made: scikit-learn is installed once for all")
        await self._all_at_once()
        names = [trial.name for trial in TRIALS]
        await self._watch.until("the end of all trainings", lambda: all(map(self._watch.ended, names)), STEP * 2)
        self._watch.tell("all trainings have ended; a last task draws them into one picture")
        task_id = await self._engine.tasks.submit(report_spec(source), QUEUES[0])
        self._watch.add("report", task_id)
        await self._watch.until("the end of the report", lambda: self._watch.ended("report"), STEP)

    async def _all_at_once(self) -> None:
        acts = (self._see_the_first, self._see_the_flaky, self._kill_agent, self._kill_supervisor, self._abort)
        try:
            async with asyncio.TaskGroup() as group:
                for act in acts:
                    group.create_task(act())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _see_the_first(self) -> None:
        first = TRIALS[0].name
        await self._watch.until("the first training to run", lambda: self._watch.running(first, 1), BUILD)
        self._watch.tell("the environment is ready; trainings run and report their metrics")

    async def _see_the_flaky(self) -> None:
        name = name_of(Fate.FLAKY)

        def failed() -> bool:
            task = self._watch.task(name)
            return task is not None and task.failures > 0

        await self._watch.until(f"the failure of {name}", failed, BUILD)
        self._watch.tell(f"{name} broke down; it has one retry and is queued again by itself")

    async def _kill_agent(self) -> None:
        name = name_of(Fate.AGENT_KILLED)
        await self._watch.until(f"{name} in mid-training", lambda: self._watch.running(name), BUILD)
        task = self._watch.task(name)
        assert task is not None  # noqa: S101  # it was just seen running
        self._stage.kill_agent(task.worker)
        self._watch.tell(f"kill -9 of {task.worker} while {name} trains on it: the training goes on")
        pid = self._stage.start_agent("worker-3")
        self._watch.tell(f"worker-3 starts (process {pid}) in its place and adopts {name}")

    async def _kill_supervisor(self) -> None:
        name = name_of(Fate.SUPERVISOR_KILLED)
        await self._watch.until(f"{name} in mid-training", lambda: self._watch.running(name), BUILD + STEP)
        task = self._watch.task(name)
        assert task is not None  # noqa: S101
        attempt = self._stage.home / "attempts" / f"{task.id}.{task.claims}"
        pid = int(json.loads((attempt / "supervisor.json").read_text(encoding="utf-8"))["pid"])
        supervisor = psutil.Process(pid)
        self.killed_tree = [supervisor, *supervisor.children(recursive=True)]
        os.kill(pid, signal.SIGKILL)
        self._watch.tell(f"kill -9 of the supervisor of {name} (process {pid}) in mid-training")

        def again() -> bool:
            now = self._watch.task(name)
            return now is not None and now.losses > 0

        await self._watch.until(f"{name} to be queued again", again, STEP)
        self._watch.tell(f"{name} lost its supervisor: its process tree is ended, it is queued again in its place")
        self._photograph()

    async def _abort(self) -> None:
        name = name_of(Fate.ABORTED)
        await self._watch.until(f"{name} in mid-training", lambda: self._watch.running(name), BUILD + 2 * STEP)
        await self._engine.tasks.stop(self._watch.id(name), reason="its learning rate is hopeless")
        self._watch.tell(f"{name} is aborted: its learning rate is hopeless")

        def stopped() -> bool:
            task = self._watch.task(name)
            return task is not None and task.status is Status.STOPPED

        await self._watch.until(f"{name} to be stopped", stopped, STEP)


def name_of(fate: Fate) -> str:
    """The name of the trial to which this happens."""
    return next(trial.name for trial in TRIALS if trial.fate is fate)
