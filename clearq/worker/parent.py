"""The parent of a function worker: it keeps the leases of its children and never runs, nor imports, user code.

So a function may block its loop or hold the interpreter for as long as it likes, and still nobody else is given its
task. A child that dies is declared dead at once: what it ran is run again by whoever is free.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, TypeVar

from clearq._version import __version__
from clearq.clock import boottime
from clearq.engine import Engine
from clearq.engine.cron import LONGEST_SLEEP, CronRule, CronWatch
from clearq.engine.declared import AGAIN
from clearq.engine.endpoint import serving
from clearq.engine.prometheus import render
from clearq.errors import (
    ConfigurationError,
    NameTaken,
    Stale,
    StorageError,
    UsageError,
)
from clearq.models import WorkerInfo
from clearq.periodic import Duties, Duty
from clearq.settings import Settings
from clearq.worker.brood import Child
from clearq.worker.burst import until_idle
from clearq.worker.counts import Counts
from clearq.worker.hanging import Hanging
from clearq.worker.heartbeats import Heartbeats
from clearq.worker.link import Message
from clearq.worker.neighbours import warn_of_others
from clearq.worker.options import WorkerOptions
from clearq.worker.served import Served
from clearq.worker.spare import Spare

log = logging.getLogger("clearq.worker")

#: Seconds that a child gets beyond the grace to say what it has to say.
LAST_WORDS = 5.0

#: A child that lives shorter than so many seconds is followed by the next after a pause.
SHORT_LIFE, PAUSE_FIRST, PAUSE_MOST = 5.0, 0.2, 10.0

#: How many children in a row may be ended by a signal before the first has loaded the app.
FIRST_TRIES = 4

T = TypeVar("T")


@dataclass
class Parent:
    """One ``clearq worker run``. :meth:`run` it until :meth:`stop`."""

    options: WorkerOptions
    given: Mapping[str, object]  #: settings that win over those of the app
    children: dict[int, Child] = field(default_factory=dict)
    queues: tuple[str, ...] = ()  #: names
    concurrency: int = 0  #: functions at once in each process; known once the first child has said it
    counts: Counts = field(default_factory=Counts)
    scrapes: socket.socket | None = None  #: where metrics of its own are served, if anywhere
    token: str = ""  #: that scrapes must bear
    _served: Served | None = None
    _rules: list[CronRule] = field(default_factory=list)
    _engine: Engine | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _impatient: asyncio.Event = field(default_factory=asyncio.Event)
    _jobs: set[asyncio.Task[None]] = field(default_factory=set)
    _spare: Spare = field(default_factory=Spare)

    @property
    def engine(self) -> Engine:
        """The connection, once the first child has said where to."""
        if self._engine is None:
            raise UsageError("the worker has not begun")
        return self._engine

    @property
    def served(self) -> Served:
        """The queues that it takes from, once the first child has said of the app."""
        if self._served is None:
            raise UsageError("the worker has not begun")
        return self._served

    def stop(self) -> None:
        """Claim nothing more, let running functions end within the grace, hand back the rest. Twice: at once."""
        if self._stopping.is_set():
            self._impatient.set()
        self._stopping.set()

    async def run(self, announce: Callable[[Parent], None] = lambda _: None) -> None:
        """Work until stopped, or until a burst has nothing left to do.

        Raises ConfigurationError when the app cannot be loaded, StorageError when the server cannot be reached.
        """
        duties, stack = Duties(), AsyncExitStack()
        try:
            await self._begin()
            for duty in self.engine.duties():
                duties.start(duty)
            duties.start(Duty("declared functions", AGAIN, self.engine.declared.repeat))
            if self._rules and not self.options.burst:
                duties.start(Duty("cron", LONGEST_SLEEP, CronWatch(self.engine.cron, self._rules).tick))
            for number in range(self.options.processes):
                self._job(self._look_after(number), f"child {number}")
            self._job(Heartbeats(self.engine, self.children.values).run(), "heartbeat")
            self._job(Hanging(self.engine.functions, self.children.values).run(), "hanging")
            heartbeat = self.engine.storage.settings.heartbeat
            duties.start(Duty("queues", heartbeat, lambda: self.served.follow(self.children.values())))
            self._job(self.counts.run(self), "counts")
            if self.scrapes is not None:
                where = await stack.enter_async_context(serving(self.scrapes, self.metrics, self.token))
                log.info("metrics at http://%s/metrics", where)
            announce(self)
            if self.options.burst:
                self._job(self._burst(), "burst")
            else:
                self._job(self._spare.keep(), "spare")
            await self._stopping.wait()
            await self._drain()
            await self.counts.tell(self, patience=LAST_WORDS)
        finally:
            for child in self.children.values():
                child.kill()
            for job in self._jobs:
                job.cancel()
            await asyncio.gather(*self._jobs, return_exceptions=True)
            await self._spare.close()
            await stack.aclose()
            await duties.close()
            if self._engine is not None:
                await self._engine.close()

    async def metrics(self) -> str:
        """What this worker and its queues do, for its own endpoint. Raises StorageError."""
        self.counts.collect(self.children)
        labels = {child.label for child in self.children.values()}
        return render(await self.engine.figures.of_worker(labels, self.counts.own.histograms()))

    # ---- beginning

    async def _begin(self) -> None:
        """Start all children; the first tells which server and queues the app means."""
        for number in range(self.options.processes):
            await self._spawn(number)
        hello = await self._first_hello()
        if not hello["functions"]:
            raise ConfigurationError(
                f"The app {self.options.app} declares no function, so there is nothing to run. Declare some with "
                "@app.task; where other modules do, import them where the app is made."
            )
        settings = Settings(**hello["settings"])
        self._engine = await Engine.connect(settings)
        self.concurrency = int(hello["concurrency"])
        self._rules = [CronRule.from_plain(rule) for rule in hello["rules"]]
        self.queues = self.options.queues or tuple(hello["queues"])
        kind = f"function.{hello['app']}" if hello.get("app") else "function"
        fair, limits = frozenset(hello.get("fair", ())), hello.get("limits", ())
        self._served = Served(self._engine, self.queues, kind, fair, limits)
        await self._served.prepare()
        for child in tuple(self.children.values()):
            await self._join(child)
        await warn_of_others(self.engine, self.served.lanes, hello["functions"])

    async def _first_hello(self) -> Message:
        """What the first child says of the app. One that a signal ends before it could is followed by another."""
        ending = asyncio.create_task(self._stopping.wait())
        try:
            for left in reversed(range(FIRST_TRIES)):
                child = self.children[0]
                either: set[asyncio.Future[Any]] = {child.hello, ending}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if self._stopping.is_set():
                    break
                hello = child.hello.result()
                if hello["say"] != "broken":
                    return hello
                if not left or (child.process.returncode or 0) >= 0:  # its own error would be the next one's as well
                    raise ConfigurationError(str(hello["error"]))
                log.warning("process %d %s before it had loaded the app; another follows", child.process.pid, child.how)
                child.page.close()
                await self._spawn(0)
        finally:
            ending.cancel()
        raise ConfigurationError("stopped before the app was loaded")

    async def _spawn(self, number: int) -> Child:
        child = self.children[number] = self._spare.take() or await Child.spawn()
        child.begin(number, self.options, self.given)
        return child

    async def _join(self, child: Child) -> bool:
        """Register a child that has loaded its app, and let it work. False: it could not load it, or we end."""
        hello = await child.hello
        if hello["say"] == "broken":
            log.error("%s", hello["error"])
            return False
        if self._stopping.is_set():  # it was started while the others were told to end
            child.kill()
            return False
        host = socket.gethostname().split(".")[0] or "localhost"
        child.queues = self.served.ids
        info = WorkerInfo(
            label="-",
            kind="function",
            host=host,
            pid=child.process.pid,
            version=__version__,
            lanes=self.served.lanes,
            slots=int(hello["concurrency"]),
            declares=await self.engine.declared.say(hello["functions"]),
        )
        settings = self.engine.storage.settings
        for label in _labels(self.options.name or settings.worker_name or f"{host}:fn", child.number):
            sent = boottime()
            try:
                child.holder = await self.engine.workers.register(info.model_copy(update={"label": label}))
            except NameTaken:
                continue
            child.label, child.page.beat = label, sent
            break
        child.say("work", holder=child.holder, queues=child.queues)
        return True

    # ---- keeping

    async def _look_after(self, number: int) -> None:
        """A child, and those that follow it when it dies."""
        pause = PAUSE_FIRST
        while True:
            child, begun = self.children[number], boottime()
            await child.ended.wait()
            await self._settle(child)
            self.counts.take(child)
            child.page.close()
            if self._stopping.is_set():
                return
            log.warning("process %d %s; another follows", child.process.pid, child.how)
            pause = PAUSE_FIRST if boottime() - begun > SHORT_LIFE else min(pause * 2, PAUSE_MOST)
            if pause > PAUSE_FIRST * 2:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)
            if self._stopping.is_set():
                return
            child = await self._spawn(number)
            await persist("registering", partial(self._join, child))

    async def _settle(self, child: Child) -> None:
        """A child has ended: what it leaves is run again at once, or handed back unharmed after a drain."""
        holder = child.holder
        if not holder:
            return
        if self._stopping.is_set():
            await persist("handing back", lambda: self._hand_back(holder))
            return
        proof = f"its process {child.process.pid} {child.how}"
        held = await persist("declaring dead", lambda: self.engine.workers.bury(holder, proof))
        if held:
            log.warning("process %d %s; %d tasks run again", child.process.pid, child.how, held)

    async def _hand_back(self, holder: str) -> None:
        left = await self.engine.claims.own(holder)
        for task, fence in left.items():
            try:
                await self.engine.attempts.release(task, fence, reason="handed back by a worker that was stopped")
            except Stale:
                continue
        if left:
            log.info("handed back %d functions", len(left))
        await self.engine.workers.unregister(holder)

    # ---- ending

    async def _drain(self) -> None:
        for child in self.children.values():
            child.say("drain", grace=self.options.grace)
        alive = [asyncio.create_task(child.ended.wait()) for child in self.children.values()]
        hurry = asyncio.create_task(self._impatient.wait())
        limit = asyncio.create_task(asyncio.sleep(self.options.grace + LAST_WORDS))
        everybody = asyncio.gather(*alive)
        waits: set[asyncio.Future[Any]] = {everybody, hurry, limit}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for child in self.children.values():
            child.kill()
        await everybody
        hurry.cancel()
        limit.cancel()
        watchers = [job for job in self._jobs if job.get_name().startswith("child ")]
        if watchers:
            await asyncio.wait(watchers, timeout=self.engine.storage.settings.patience)

    async def _burst(self) -> None:
        await until_idle(self.engine, lambda: self.served.lanes, lambda: list(self.children.values()))
        self.stop()

    def _job(self, work: Any, name: str) -> None:
        job: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._jobs.add(job)
        job.add_done_callback(self._done)

    def _done(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            log.error("%s failed; the worker ends", job.get_name(), exc_info=error)
            self.stop()


async def persist(what: str, call: Callable[[], Awaitable[T]]) -> T:
    """``call`` until the server answers."""
    pause = PAUSE_FIRST
    while True:
        try:
            return await call()
        except StorageError as error:
            log.warning("%s: %s (trying again)", what, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_MOST)


def _labels(name: str, first: int) -> Any:
    return (f"{name}{number}" for number in count(first))
