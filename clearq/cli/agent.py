"""``clearq agent``: serve queues on this host, or run one task here by hand."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearq.cli import exits
from clearq.cli.context import Context
from clearq.cli.text import plural
from clearq.cli.worker import list_workers
from clearq.errors import ClearqError, NotFoundError, UsageError

if TYPE_CHECKING:
    from clearq.agent.daemon import Agent
    from clearq.agent.keeper import Watched
    from clearq.agent.options import AgentOptions, GpuChoice
    from clearq.agent.registry import AgentFile
    from clearq.settings import Settings

#: Seconds that a detached agent may take to register.
REGISTER_WITHIN = 60.0

DAEMON = """Serve queues on this host: run their tasks as they come, each under a supervisor process of its own.

Ctrl-C or SIGTERM ends the agent, not its tasks: they go on, and the next agent of this name takes them over.
`clearq task stop ID` stops a task."""


def register(subparsers: Any) -> None:
    """Add ``clearq agent`` and its verbs."""
    parser = subparsers.add_parser("agent", help="agents", description="Agents: serve queues on this host.")
    verbs = parser.add_subparsers(metavar="VERB", dest="verb")
    _register_daemon(verbs)
    run = verbs.add_parser("execute", help="run one task here and now, without a queue")
    run.add_argument("--id", required=True, metavar="ID", help="the task, or the first characters of its id")
    run.add_argument("--clone", action="store_true", help="run a copy of it; the task itself stays as it is")
    _add_gpus(run)
    run.set_defaults(run=execute)
    ls = verbs.add_parser("list", aliases=["ls"], help="list the workers and what each runs")
    ls.add_argument("-a", "--all", action="store_true", help="also those that have gone")
    ls.add_argument("-q", "--quiet", action="store_true", help="print names only")
    ls.set_defaults(run=list_workers)


def _register_daemon(verbs: Any) -> None:
    daemon = verbs.add_parser("daemon", help="serve queues", description=DAEMON)
    daemon.add_argument(
        "--queue", nargs="+", action="extend", metavar="NAME", help="in this order of priority (default: default)"
    )
    _add_gpus(daemon)
    daemon.add_argument(
        "--slots",
        type=int,
        metavar="N",
        help="CPU tasks at once (default 1). On a GPU agent: N tasks that need no GPU run beside one that"
        " does; without this flag each task gets all GPUs and runs alone",
    )
    daemon.add_argument("--create-queue", action="store_true", help="make queues that do not exist")
    daemon.add_argument("--order-fairness", action="store_true", help="take from the queues in turn")
    daemon.add_argument(
        "--app",
        default="",
        metavar="MODULE:APP",
        help="run this app's functions that need GPUs in the agent's own environment and directory",
    )
    daemon.add_argument("--name", default="", help="the worker's name (default: host and GPUs, or a number)")
    daemon.add_argument("--foreground", action="store_true", help="show the tasks' output here too")
    daemon.add_argument("-d", "--detached", action="store_true", help="run in the background")
    daemon.add_argument(
        "--stop",
        nargs="*",
        metavar="NAME",
        help="stop the agent of that name, or the one that was started with the other arguments given here;"
        " its running tasks go on. One that has not ended after a minute: exit 124",
    )
    daemon.set_defaults(run=run_daemon)


def _add_gpus(parser: Any) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--gpus", metavar="GPUS", help="0, 0,1, 0-7, all or none (default: all there are)")
    group.add_argument("--cpu-only", action="store_true", help="no GPU, none is needed")


def run_daemon(args: Namespace, ctx: Context) -> int:
    """Serve, start in the background, or stop."""
    from clearq.agent.options import AgentOptions

    if args.stop is not None:
        return asyncio.run(_stop(args, ctx))
    if args.detached and args.foreground:
        raise UsageError("--detached and --foreground exclude each other")
    options = AgentOptions(
        queues=tuple(args.queue or ["default"]),
        gpus=_gpus(args),
        slots=args.slots,
        name=args.name,
        create_queue=args.create_queue,
        order_fairness=args.order_fairness,
        foreground=args.foreground,
        app=args.app,
        log=os.environ.pop("CLEARQ_AGENT_LOG", ""),
    )
    return _detach(args, ctx) if args.detached else _serve(options, ctx)


def _gpus(args: Namespace) -> GpuChoice:
    from clearq.agent.options import GpuChoice, parse_gpus

    if args.cpu_only:
        return GpuChoice("none")
    return parse_gpus(args.gpus) if args.gpus is not None else GpuChoice()


# ---- serving


def _serve(options: AgentOptions, ctx: Context) -> int:
    from clearq.processes import run_agent
    from clearq.telemetry import configure_logging

    configure_logging("DEBUG" if os.environ.get("CLEARQ_DEBUG") else ctx.settings.log_level)
    logging.getLogger("clearq").propagate = False
    going_on = asyncio.run(run_agent(ctx.settings, options, lambda agent: _banner(agent, ctx)))
    _farewell(going_on, ctx)
    return exits.OK


def _banner(agent: Agent, ctx: Context) -> None:
    options, room = agent.options, agent.room
    order = "in turn" if options.order_fairness else "in this order"
    cards = ", ".join(f"{gpu.index} ({gpu.name})" if gpu.name else str(gpu.index) for gpu in room.gpus)
    tasks = "one task at a time, it gets all GPUs" if room.exclusive else f"{plural(room.slots, 'CPU task')} at once"
    if room.gpus and not room.exclusive:
        tasks += ", and one GPU task with all GPUs"
    ctx.out.say(f"agent {agent.membership.label}")
    ctx.out.fields(
        [
            ("mode", "venv"),
            ("app", options.app),
            ("queues", f"{', '.join(options.queues)}{f' ({order})' if len(options.queues) > 1 else ''}"),
            ("GPUs", cards or "none"),
            ("tasks", tasks),
            ("server", f"{ctx.settings.shown_url}, namespace {ctx.settings.namespace}"),
            ("log", options.log),
        ]
    )


def _farewell(going_on: list[Watched], ctx: Context) -> None:
    if not going_on:
        ctx.out.note("stopped")
        return
    ctx.out.note(f"stopped; {plural(len(going_on), 'task')} go on, and the next agent of this name takes them over:")
    for watched in going_on:
        ctx.out.note(f"  clearq task stop {watched.attempt.task.id}")


# ---- in the background


def _detach(args: Namespace, ctx: Context) -> int:
    """Start the same command in the background, and wait until it is registered."""
    from clearq.agent.registry import Registry, unusable
    from clearq.agent.spawning import spawn

    folder = ctx.settings.home / "agents"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unusable(folder, error) from error
    log = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    os.environ["CLEARQ_AGENT_LOG"] = str(log)
    process = spawn(ctx.settings, ["-m", "clearq", "agent", "daemon", *_words(args)], log)
    registry, deadline = Registry(ctx.settings), time.monotonic() + REGISTER_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        for agent in registry.living():
            if agent.pid == process.pid:
                _started(agent, log, ctx)
                return exits.OK
        time.sleep(0.05)
    if process.poll() is None:
        ctx.out.note(f"the agent (pid {process.pid}) has not registered yet; see {log}")
        return exits.TIMEOUT
    sys.stderr.write(_tail(log))
    return process.returncode or exits.FAILED


def _started(agent: AgentFile, log: Path, ctx: Context) -> None:
    if ctx.out.json:
        ctx.out.data({"worker": agent.label, "pid": agent.pid, "log": str(log)})
        return
    ctx.out.say(f"agent {agent.label} runs in the background (pid {agent.pid}); its log: {log}")
    ctx.out.note(f"stop it: clearq agent daemon --stop {agent.label}")


def _words(args: Namespace) -> list[str]:
    """The flags of this agent, for its own process."""
    words = ["--queue", *args.queue] if args.queue else []
    words += [f"--gpus={args.gpus}"] if args.gpus is not None else []
    words += [f"--slots={args.slots}"] if args.slots is not None else []
    words += [f"--name={args.name}"] if args.name else []
    words += [f"--app={args.app}"] if args.app else []
    flags = ("cpu_only", "create_queue", "order_fairness")
    return words + [f"--{flag.replace('_', '-')}" for flag in flags if getattr(args, flag)]


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) + "\n"


# ---- stopping


async def _stop(args: Namespace, ctx: Context) -> int:
    from clearq.agent import stopping
    from clearq.agent.registry import SERVICES, Registry

    living = [agent for agent in Registry(ctx.settings).living() if agent.label != SERVICES]
    names = [*args.stop, *([args.name] if args.name else [])]
    selected = [agent for agent in living if _matches(agent, args, names)]
    missing = [name for name in names if not any(name in (agent.label, agent.worker) for agent in living)]
    if missing or not selected:
        raise NotFoundError(_nobody(living, missing))
    chosen = names or args.queue or args.gpus is not None or args.cpu_only
    if len(selected) > 1 and not names:
        some = "these arguments fit" if chosen else "this host has"
        raise UsageError(f"{some} several agents; name one: {', '.join(agent.label for agent in selected)}")
    ends = await asyncio.gather(
        *(stopping.end(agent, stopping.STOP_WITHIN) for agent in selected), return_exceptions=True
    )
    for agent, error in zip(selected, ends, strict=True):
        if error is None:
            ctx.out.say(f"stopped {agent.label}")
    await _still_running(ctx.settings, [agent.label for agent in selected], ctx)
    for error in ends:
        if error is not None:
            raise error
    return exits.OK


def _matches(agent: AgentFile, args: Namespace, names: list[str]) -> bool:
    if names:
        return agent.label in names or agent.worker in names
    if args.queue and tuple(args.queue) != agent.queues:
        return False
    if args.gpus is not None or args.cpu_only:
        return _gpus(args).text == agent.gpus
    return True


def _nobody(living: list[AgentFile], missing: list[str]) -> str:
    which = f"no agent named {', '.join(missing)}" if missing else "no agent that was started with these arguments"
    there = ", ".join(f"{agent.label} (queues {' '.join(agent.queues)})" for agent in living) or "none"
    return f"{which} runs on this host\nrunning: {there}"


async def _still_running(settings: Settings, labels: list[str], ctx: Context) -> None:
    """Say which tasks go on, as far as this host knows."""
    from clearq.agent.folders import AttemptFolder

    for folder in AttemptFolder.all(settings.home):
        attempt = folder.attempt()
        if attempt and attempt.agent.rpartition(".")[0] in labels and folder.outcome() is None:
            ctx.out.note(f"task {attempt.task.id} goes on; stop it: clearq task stop {attempt.task.id}")


# ---- one task by hand


async def execute(args: Namespace, ctx: Context) -> int:
    """Run one task here, its output on this terminal."""
    from clearq.agent.execute import execute as run_here
    from clearq.telemetry import configure_logging

    configure_logging(ctx.settings.log_level)
    engine = await ctx.engine()
    task_id = await engine.tasks.resolve(args.id)
    if args.clone:
        task_id = (await engine.tasks.clone(task_id)).id
    ctx.out.note(f"task {task_id}{' (a clone)' if args.clone else ''}")
    try:
        outcome = await run_here(ctx.settings, engine, task_id, _gpus(args), ctx.out.raw)
    except ClearqError:
        if args.clone:
            ctx.out.note(f"the clone {task_id} stays as a draft")
        raise
    if ctx.out.json:
        ctx.out.data({"id": task_id, **outcome.model_dump()})
    else:
        ctx.out.note(f"{outcome.status}{outcome.reason and f': {outcome.reason}'}")
    return exits.OK if outcome.status == "completed" else exits.FAILED
