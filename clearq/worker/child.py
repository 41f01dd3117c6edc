"""A child: the process that runs the functions. It has a connection of its own, and a lease that its parent keeps."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from clearq.engine import Engine
from clearq.engine.tally import Tally
from clearq.errors import ClearqError
from clearq.settings import Settings
from clearq.telemetry import configure_logging
from clearq.worker.lifespans import enter_lifespans
from clearq.worker.link import Link, Message
from clearq.worker.load import load_app, with_settings
from clearq.worker.mortal import die_with_parent, name_process
from clearq.worker.options import CONCURRENCY, GRACE
from clearq.worker.page import Gate, Page, start_window
from clearq.worker.runner import Place, Runner
from clearq.worker.traces import traceback_of
from clearq.worker.turns import Gone, Lease, Turns

log = logging.getLogger("clearq.worker")

#: Seconds that a child waits for a server that is away: whoever ends it is the parent.
FOREVER = 1e9

#: Seconds between two accounts of what was counted.
TELL = 1.0

#: What lists of processes call it once it has begun: a spare one has not.
RUNS_FUNCTIONS = "clearq-function"

#: Objects made until the collector looks at the youngest: what runs here is short-lived anyway.
COLLECT_EVERY = 20_000


def main(argv: Sequence[str]) -> int:
    """Serve until drained, or until the parent ends."""
    end, page, parent = (int(word) for word in argv[:3])
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    code = _run(Child(socket.socket(fileno=end), Page(page)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # abandoned threads and whatever user code left running shall not hold us up


def _run(child: Child) -> int:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(child.run())


def _loop_factory() -> Any:
    try:
        return importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None


@dataclass
class Child:
    """One child process."""

    end: socket.socket
    page: Page
    app: Any = None
    turns: Turns | None = None
    queues: tuple[str, ...] | None = None  #: others than those it began with
    _messages: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)

    async def run(self) -> int:
        """Its whole life; answers the exit code."""
        link = await Link.open(self.end, self._heard, lambda: os._exit(1))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._drain, GRACE)
        begin = await self._messages.get()
        if begin["say"] != "begin":
            return 0
        name_process(RUNS_FUNCTIONS)
        async with AsyncExitStack() as stack:
            try:
                self.app = with_settings(load_app(begin["app"]), begin["settings"])
                configure_logging(self.app.settings.log_level)
                rules = [rule.plain() for rule in self.app.cron_rules()]
                state = await enter_lifespans(self.app, stack)
            except ClearqError as error:
                return await _after(link, 1, "broken", str(error))
            except Exception as error:  # noqa: BLE001  # user code may raise anything; the parent shows it
                text = f"The app {begin['app']} cannot be loaded:\n{traceback_of(error)}"
                return await _after(link, 1, "broken", text)
            name = self.app.name
            settings, queues = _plain(self.app.settings), self.app.registry.queues
            concurrency = self._concurrency(begin["concurrency"])
            limits = self.app.registry.limits
            link.say(
                "hello",
                settings=settings,
                queues=queues,
                app=name,
                rules=rules,
                limits=limits,
                fair=self.app.registry.fair,
                concurrency=concurrency,
                functions=[entry.name for entry in self.app.registry],
            )
            work = await self._messages.get()
            if work["say"] != "work":
                return 0
            place = Place(begin["app"], concurrency, begin["settings"], state, _key(self.app.settings))
            lease = Lease(work["holder"], tuple(work["queues"]), f"fn.{name}" if name else "fn")
            try:
                await self._work(link, lease, place)
            except Gone:
                return await _after(link, 3, "gone")
        return 0

    def _concurrency(self, asked: int) -> int:
        """The app's own figure, unless the command names one."""
        own: int | None = self.app.concurrency
        return own if own is not None and asked == CONCURRENCY else asked

    async def _work(self, link: Link, lease: Lease, place: Place) -> None:
        settings = self.app.settings
        engine = await Engine.connect(settings.model_copy(update={"patience": FOREVER}), start_stopped=False)
        runner = Runner(self.app, engine, place)
        teller = asyncio.create_task(_tell(link, runner.tally), name="tell")
        clock = asyncio.create_task(runner.clock.follow(engine), name="clock")
        try:
            self.turns = Turns(engine, lease, runner, self.page, Gate(self.page, start_window(settings.dead_after)))
            if self.queues is not None:  # told while it connected
                self.turns.serve(self.queues)
            gc.collect()
            gc.freeze()
            gc.set_threshold(COLLECT_EVERY, 20, 50)
            await self.turns.run()
        finally:
            clock.cancel()
            teller.cancel()
            _tell_now(link, runner.tally)
            await runner.close()
            await engine.close()

    def _heard(self, message: Message) -> None:
        match message["say"]:
            case "look":
                if self.turns is not None:
                    self.turns.told(message.get("work", False), message.get("given", 0))
            case "queues":
                self.queues = tuple(message["queues"])
                if self.turns is not None:
                    self.turns.serve(message["queues"])
            case "drain":
                self._drain(message["grace"])
            case _:
                self._messages.put_nowait(message)

    def _drain(self, grace: float) -> None:
        if self.turns is not None:
            self.turns.drain(grace)
        else:
            self._messages.put_nowait({"say": "end"})


async def _tell(link: Link, tally: Tally) -> None:
    """Let the parent know what is counted here: it tells the server, and outlives us."""
    while True:
        await asyncio.sleep(TELL)
        _tell_now(link, tally)


def _tell_now(link: Link, tally: Tally) -> None:
    if rows := tally.take():
        link.say("tally", rows=rows)


async def _after(link: Link, code: int, word: str, error: str = "") -> int:
    """The last word, and a moment for the line to carry it."""
    link.say(word, error=error)
    await asyncio.sleep(0.05)
    return code


def _key(settings: Settings) -> bytes:
    return settings.signing_key.get_secret_value().encode()


def _plain(settings: Settings) -> Message:
    secrets = {"url": settings.url.get_secret_value(), "signing_key": settings.signing_key.get_secret_value()}
    return {**settings.model_dump(mode="json"), **secrets}
