"""Composition root: from settings to running processes.

``run_agent``, ``run_worker`` and ``run_services`` run here until they are asked to end (SIGTERM, SIGINT);
``start_background`` starts the services of this user in a process of their own, which is this module run as
``__main__``.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial

from clearq.agent.daemon import Agent
from clearq.agent.echo import Echo
from clearq.agent.keeper import Watched
from clearq.agent.options import AgentOptions
from clearq.agent.registry import SERVICES, AgentFile, Registry, me
from clearq.agent.setup import prepare
from clearq.agent.spawning import spawn
from clearq.agent.stopping import STOP_WITHIN, end
from clearq.agent.watch import persist
from clearq.engine import Engine
from clearq.engine.endpoint import Address, listen, serving
from clearq.engine.prometheus import render
from clearq.periodic import Duties, Duty, end_tasks
from clearq.sdk import by_hand
from clearq.settings import Settings
from clearq.storage import embedded
from clearq.telemetry import configure_logging
from clearq.worker.options import WorkerOptions
from clearq.worker.parent import Parent

log = logging.getLogger("clearq.processes")


async def run_agent(
    settings: Settings, options: AgentOptions, announce: Callable[[Agent], None] = lambda _: None
) -> list[Watched]:
    """Run an agent until SIGTERM or SIGINT. Answers the attempts that go on without it.

    ``announce`` is called when it is registered. Raises QueueNotFound, UsageError, NameTaken, StorageError.
    """
    engine = await Engine.connect(settings)
    try:
        # Heard before it is registered: whoever finds its name may stop it.
        agent = await prepare(settings, options, engine, lambda agent: _on_signals(agent.stop))
        announce(agent)
        echo = Echo(engine)
        if options.foreground:
            agent.claimer.echo = echo.begin
        try:
            return await agent.run()
        finally:
            await echo.close()
    finally:
        await engine.close()


async def run_worker(
    options: WorkerOptions, given: Mapping[str, object], announce: Callable[[Parent], None] = lambda _: None
) -> None:
    """Run a function worker until SIGTERM or SIGINT, or until a burst is done. ``given``: settings that win over the
    app's own. ``announce`` is called when it is registered. Raises ConfigurationError, StorageError.
    """
    parent = Parent(options, given)
    _on_signals(parent.stop)
    if not options.metrics:
        await parent.run(announce)
        return
    with listen(Address.parse(options.metrics)) as ends:  # at once: a port in use is said before anything is loaded
        parent.scrapes, parent.token = ends, Settings().metrics_token.get_secret_value()
        await parent.run(announce)


async def run_metrics(
    engine: Engine, ends: socket.socket, since: float, announce: Callable[[Address], None] = lambda _: None
) -> None:
    """Serve the metrics of ``engine``'s namespace at ``ends`` until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    _on_signals(stop.set)

    async def text() -> str:
        return render(await engine.figures.take(since))

    token = engine.storage.settings.metrics_token.get_secret_value()
    async with serving(ends, text, token) as address:
        announce(address)
        await stop.wait()


async def run_services(settings: Settings) -> None:
    """Keep the duties that somebody must do (reaper, timer, history) until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    _on_signals(stop.set)
    connecting = asyncio.ensure_future(persist("connect", lambda: Engine.connect(settings, start_stopped=False)))
    ending = asyncio.create_task(stop.wait())
    await asyncio.wait({connecting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not connecting.done():
        await end_tasks(connecting)  # one cancellation may be lost on a driver that connects, and it would try for ever
        return
    engine, duties = connecting.result(), Duties()
    try:
        for duty in engine.duties():
            duties.start(duty)
        duties.start(Duty("runs by hand", by_hand.INTERVAL, partial(by_hand.end_dead_runs, engine)))
        await stop.wait()
    finally:
        ending.cancel()
        await duties.close()
        await engine.close()


def start_background(settings: Settings) -> int | None:
    """Start this user's services in the background. Answers their process id; ``None``: they run already."""
    registry = Registry(settings)
    if registry.alive(SERVICES):
        return None
    registry.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    process = spawn(settings, ["-m", "clearq.processes"], registry.folder / f"{SERVICES}.log")
    process.returncode = 0  # it outlives us: nobody will wait for it, and Popen shall not complain
    return process.pid


async def stop_background(settings: Settings) -> bool:
    """End this user's background services. False: they did not run. Raises ConflictError, WaitTimeout."""
    for found in Registry(settings).living():
        if found.label == SERVICES:
            await end(found, STOP_WITHIN)
            return True
    return False


def main() -> int:
    """The background services: one process for each home, server and namespace."""
    settings = Settings()
    configure_logging(settings.log_level)
    held = Registry(settings).hold(SERVICES)
    if held is None:
        return 0
    held.note(me(AgentFile(label=SERVICES, detached=True)))
    try:
        asyncio.run(_serve_if_wanted(settings))
    finally:
        held.close(forget=True)
    return 0


async def _serve_if_wanted(settings: Settings) -> None:
    """The embedded server was there when we were sent for; if it is gone, it was stopped: leave it so."""
    if settings.embedded and await embedded.find(settings) is None:
        return
    await run_services(settings)


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


if __name__ == "__main__":
    sys.exit(main())
