"""One attempt from its start to its reported end: the steps, in order, in :meth:`Supervision.steps`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from clearq.agent.archive import archive, too_long
from clearq.agent.folders import AttemptFolder, MainFile
from clearq.agent.lease import Interrupted, Lease
from clearq.agent.sampler import Sampler
from clearq.agent.verdicts import error_of, outcome_of, read_verdict, report
from clearq.agent.watch import persist
from clearq.engine import Engine
from clearq.errors import ArtifactError, EnvironmentFailed, NotFoundError, SpecError, Stale
from clearq.executors.app import AppExecutor
from clearq.executors.exit import Exit
from clearq.executors.job import Command, Job
from clearq.executors.kinds import executor_for
from clearq.executors.output import OutputLog
from clearq.executors.proc import MARKER
from clearq.executors.shipping import Shipper
from clearq.executors.tree import ProcessTree
from clearq.models import AttemptFile, Outcome, Stage, Verdict
from clearq.periodic import end_tasks
from clearq.settings import Settings

log = logging.getLogger("clearq.supervisor")

#: Seconds that the last output may take to reach a server that answers but does not take it (out of memory).
SHIP_WITHIN = 20.0

#: The outcome of an attempt that is not ours to report.
STALE = Outcome(status="stale", reason="the task was given to somebody else, or has ended meanwhile")


class Supervision:
    """One attempt on this host."""

    def __init__(self, attempt: AttemptFile, folder: AttemptFolder, settings: Settings, engine: Engine) -> None:
        self.attempt, self.folder, self.settings, self.engine = attempt, folder, settings, engine
        self.task = attempt.task
        self.lease = Lease(
            engine,
            task=attempt.task.id,
            fence=attempt.fence,
            holder=attempt.holder,
            heartbeat=settings.beat_every,
        )
        self.output = OutputLog(folder.output)
        self.shipper = Shipper(self.output, self._append)
        self.tree = ProcessTree(attempt.task.spec.limits, self.output.say)
        self.verdict: Verdict | None = None  #: a function's own words on how its attempt ended
        self.error = b""  #: of a function whose process could not say one
        self.giving_up = ""  #: why this supervisor ends although its task should go on
        self._over = False  #: the user's processes have ended: nothing can be given up any more

    async def steps(self) -> Outcome:
        """Take over, prepare, run, wait, report."""
        if not await self._take_over():
            return STALE
        async with self.lease.kept(), self._shipping():
            try:
                command = await self._prepare()
                ended = await self._run(command)
                outcome = self._judged(ended.outcome(stopped=self.lease.stop and not ended.timed_out))
            except (EnvironmentFailed, SpecError) as error:
                self.output.say(str(error))
                outcome = Outcome(status="failed", reason=str(error))
                self._judged(outcome, type(error).__name__)
            except Interrupted:
                outcome = Outcome(status="stopped", reason="stopped before it began to run")
            self._over = True
            if self.lease.lost:
                return STALE
            self.output.sum_up()
            await self._archive()
            return await self._report(_with_loss(outcome, await self._ship_rest()))

    def give_up(self, why: str) -> None:
        """End the task here and hand it back to its queue (this process was asked to end).

        Without effect once its processes have ended by themselves: how is then reported, and it does not run again.
        """
        if self._over:
            return
        self.giving_up = why
        self.lease.ask_to_stop()

    async def _take_over(self) -> bool:
        """The attempt becomes ours; before that nothing may be started."""
        attempt = self.attempt
        try:
            task = await persist(
                "start", lambda: self.engine.attempts.start(attempt.task.id, attempt.fence, attempt.holder)
            )
        except (Stale, NotFoundError):
            return False
        if task.stage is Stage.STOPPING:
            self.lease.ask_to_stop()
        self.task = task
        return True

    async def _prepare(self) -> Command:
        """Make the environment. A stop ends it in the middle. Raises EnvironmentFailed, SpecError, Interrupted."""
        job = Job(self.task, self.folder.path, self.settings, self._environ())
        app = self.attempt.app
        executor = AppExecutor(app, Path(self.attempt.app_folder)) if app else executor_for(self.task.spec.executor)
        return await self.lease.unless_ended(executor.prepare(job, self.output.say))

    def _judged(self, outcome: Outcome, kind: str = "ProcessEnded") -> Outcome:
        """What a function's process wrote down counts more than how it ended."""
        if not self.task.spec.function.name:
            return outcome
        self.verdict = read_verdict(self.folder.path, stopped=self.lease.stop)
        if self.verdict is not None:
            return outcome_of(self.verdict, outcome)
        if outcome.status == "failed":
            self.error = error_of(outcome, kind)
        return outcome

    async def _run(self, command: Command) -> Exit:
        """Start the user's process and wait until its whole tree is gone. Raises EnvironmentFailed, Interrupted."""
        try:
            await self.lease.until_fresh()  # a claim that may have grown old in the meantime starts nothing
            pid = await self.tree.start(command, self.output.write)
            self.folder.note_main(MainFile(pid=pid, started=self.tree.started))
            waiting = asyncio.create_task(self.tree.wait(), name="tree")
            saying = asyncio.create_task(self._say_running(), name="stage")
            async with self._sampling():
                await self._end_when_asked(waiting)
            await end_tasks(saying)
            return await waiting
        finally:
            command.close()

    async def _end_when_asked(self, waiting: asyncio.Task[Exit]) -> None:
        """Until the tree has ended; ask it to when a stop comes, kill it when the attempt is lost."""
        ended = asyncio.create_task(self.lease.until_ended())
        try:
            await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return
            if self.lease.lost:
                log.warning("the attempt is no longer ours: ending its processes")
                await self.tree.kill()
            else:
                self.output.say(f"stopping: {self.giving_up or 'a stop was asked for'}")
                await self.tree.stop()
            await asyncio.wait({waiting})
        finally:
            ended.cancel()

    async def _say_running(self) -> None:
        """Stage ``running``, as soon as the server can be told: the task runs all the same."""
        task, fence = self.task.id, self.attempt.fence
        with contextlib.suppress(Stale, NotFoundError):
            await persist("stage", lambda: self.engine.attempts.stage(task, fence, Stage.RUNNING))

    async def _report(self, outcome: Outcome) -> Outcome:
        """Tell the server, for as long as it takes to reach it."""
        try:
            await persist("end of the task", lambda: self._send(outcome))
        except (Stale, NotFoundError):
            return STALE
        return outcome

    async def _send(self, outcome: Outcome) -> None:
        task, fence, attempts = self.task.id, self.attempt.fence, self.engine.attempts
        code, reason, message = outcome.exit_code, outcome.reason, outcome.message
        if self.giving_up:
            await attempts.lose(task, fence, proof=self.giving_up)
        elif self.verdict is not None:
            await report(attempts, task, fence, self.verdict, outcome)
        elif outcome.status == "completed":
            await attempts.complete(task, fence, exit_code=code, reason=reason, message=message)
        elif outcome.status == "stopped":
            await attempts.stopped(task, fence, exit_code=code, reason=reason, message=message)
        else:
            await attempts.fail(task, fence, exit_code=code, reason=reason, message=message, error=self.error)

    async def _append(self, entries: Sequence[tuple[float, str, str]], seq: int) -> None:
        await self.engine.logs.append(self.task.id, entries, fence=self.attempt.fence, seq=seq)

    @asynccontextmanager
    async def _shipping(self) -> AsyncIterator[None]:
        """Output reaches the server while the block runs."""
        job = asyncio.create_task(self.shipper.run(), name="shipper")
        try:
            yield
        finally:
            await end_tasks(job)
            error = None if job.cancelled() else job.exception()
            if error is not None and not isinstance(error, (Stale, NotFoundError)):
                log.error("output was not shipped", exc_info=error)
            self.output.close()

    async def _archive(self) -> None:
        """A long output as a whole goes to the artifact store. Failing that, its tail is all that is kept."""
        if not too_long(self.folder.output, self.settings):
            return
        task, claims = self.task.id, self.task.claims
        try:
            url = await asyncio.to_thread(archive, self.folder.output, self.settings, task, claims)
            await persist("log", lambda: self.engine.tasks.set_log_url(task, url))
        except (ArtifactError, OSError) as error:
            self.output.say(f"only the last part of this output is kept: {error}")
        except NotFoundError:
            return

    async def _ship_rest(self) -> int:
        """Before the end is reported: later output would be refused. A server that is away is waited for.

        Answers how many bytes of output were not stored.
        """
        while left := await self.shipper.drain(SHIP_WITHIN):
            if self.lease.lost or self.lease.fresh:  # it answers, yet takes no output: the task's end counts more
                break
        return left

    @asynccontextmanager
    async def _sampling(self) -> AsyncIterator[None]:
        """Machine metrics of the tree while the block runs."""
        sampler = Sampler(self.engine, self.task.id, self.attempt.fence, self.attempt.gpus, self.tree.members)
        job = asyncio.create_task(sampler.run(), name="sampler")
        try:
            yield
        finally:
            await end_tasks(job)

    def _environ(self) -> Mapping[str, str]:
        """The agent's environment, and what the task must know of its attempt."""
        gpus = self.attempt.visible_gpus
        return {
            **os.environ,
            "CLEARQ_ATTEMPT": str(self.folder.description),
            MARKER: self.attempt.marker,
            "CLEARQ_TASK_ID": self.task.id,
            "CUDA_VISIBLE_DEVICES": gpus,
            "NVIDIA_VISIBLE_DEVICES": gpus or "none",
        }


def _with_loss(outcome: Outcome, lost: int) -> Outcome:
    """The end of an attempt, and a word about output that the server did not take."""
    if not lost:
        return outcome
    remark = f"the last {lost} bytes of output were not stored: the server does not take them (is its memory full?)"
    return outcome.model_copy(update={"message": "; ".join(filter(None, [outcome.message, remark]))})


async def run(
    attempt: AttemptFile,
    folder: AttemptFolder,
    on_signal: Callable[[Supervision, signal.Signals], None],
    *,
    engine: Engine | None = None,
) -> Outcome:
    """Supervise one attempt to its end. ``on_signal`` is called for SIGTERM and SIGINT."""
    settings = Settings(
        url=SecretStr(attempt.url),
        namespace=attempt.namespace,
        home=Path(attempt.home),
        artifacts_url=attempt.artifacts_url,
        attempt=str(folder.description),
    )
    own = engine
    if own is None:
        own = await persist("connect", lambda: Engine.connect(settings))
    try:
        supervision = Supervision(attempt, folder, settings, own)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal, supervision, number)
        return await supervision.steps()
    finally:
        if engine is None:
            await own.close()
