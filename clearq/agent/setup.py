"""From settings and options to an agent that is registered and ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clearq.agent.aftermath import Aftermath
from clearq.agent.claiming import Claimer
from clearq.agent.daemon import Agent
from clearq.agent.drain import Drain
from clearq.agent.gpus import Nvml, choose
from clearq.agent.home import Home
from clearq.agent.keeper import Keeper
from clearq.agent.labels import labels
from clearq.agent.machine import MachineMeter
from clearq.agent.membership import Membership
from clearq.agent.options import AgentOptions
from clearq.agent.own_app import executors, find_app
from clearq.agent.pulse import Pulse
from clearq.agent.registry import AgentFile, Registry
from clearq.agent.room import Room
from clearq.engine import Engine
from clearq.errors import QueueExists, QueueNotFound
from clearq.executors.host import this_host
from clearq.models import Lane, WorkerInfo
from clearq.settings import Settings


async def prepare(
    settings: Settings, options: AgentOptions, engine: Engine, made: Callable[[Agent], None] = lambda _: None
) -> Agent:
    """Check what was asked for and register; ``made`` is called before others can see it.

    Raises QueueNotFound, UsageError, ConfigurationError, NameTaken.
    """
    app = await find_app(options.app)
    host, nvml, registry = this_host(), Nvml(), Registry(settings)
    gpus = choose(options.gpus, nvml)
    queues = [await _queue(engine, name, create=options.create_queue) for name in options.queues]
    membership = Membership(
        engine,
        registry,
        WorkerInfo(
            label="-",
            host=host.name,
            host_id=host.host_id,
            boot_id=host.boot_id,
            lanes=tuple(Lane(queue=queue) for queue in queues),
            slots=options.slots or 1,
            gpus=tuple(gpu.uuid for gpu in gpus),
            executors=tuple(sorted(executors(app))),
        ),
        AgentFile(label="-", queues=options.queues, gpus=options.gpus.text, log=options.log),
    )
    changed = _Later()
    drain = Drain(engine, host.host_id, nvml, changed)
    keeper = Keeper(settings, host.boot_id, Aftermath(engine, host.boot_id, drain), changed)
    home, room = Home(settings.home / "attempts"), Room(gpus, options.slots, keeper, drain, app)
    pulse = Pulse(membership, MachineMeter(settings.home, gpus, nvml), changed)
    claimer = Claimer(settings, engine, host, gpus, membership, keeper, home, pulse, app)
    agent = Agent(settings, options, engine, tuple(queues), membership, keeper, drain, home, room, claimer, pulse)
    changed.call = agent.look
    made(agent)
    name = options.name or settings.worker_id
    host_name = settings.worker_name or host.name
    await membership.join(labels(host_name, options.gpus, has_gpus=bool(gpus), name=name))
    return agent


@dataclass
class _Later:
    """A callback that is named after those who call it were made."""

    call: Callable[[], None] | None = None

    def __call__(self) -> None:
        if self.call is not None:
            self.call()


async def _queue(engine: Engine, name: str, *, create: bool) -> str:
    try:
        return await engine.queues.resolve(name)
    except QueueNotFound:
        if not create:
            raise
    try:
        return (await engine.queues.create(name)).id
    except QueueExists:
        return await engine.queues.resolve(name)
