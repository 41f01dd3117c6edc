"""``clearq up`` and ``clearq down``: this user's private server."""

from __future__ import annotations

import asyncio
import shlex
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context
from clearq.cli.text import plural
from clearq.errors import ClearqError, UsageError

if TYPE_CHECKING:
    from clearq.models import Task, Worker
    from clearq.settings import Settings
    from clearq.storage.embedded import EmbeddedServer

#: Seconds the background services have to end.
SERVICES_TIMEOUT = 20.0
#: Running tasks named by ``down`` (the rest are counted).
NAMED = 5


def register(subparsers: Any) -> None:
    """Add ``clearq up`` and ``clearq down``."""
    up = subparsers.add_parser(
        "up",
        help="start the private server",
        description="Start this user's private server and its background services, and say where they are.",
    )
    up.set_defaults(run=start)
    down = subparsers.add_parser(
        "down",
        help="stop the private server",
        description="Stop this user's private server and its background services. The data stays; agents and tasks\n"
        "that still run wait for it to come back.",
    )
    down.set_defaults(run=stop)


async def start(args: Namespace, ctx: Context) -> int:
    """Start the server and its background services, check the data, print where everything is."""
    from clearq.processes import start_background
    from clearq.storage import embedded

    _private(ctx.settings, "up")
    with ctx.out.status() as status:
        status.update("starting the server …")
        server = await embedded.ensure(ctx.settings)
        await ctx.engine()
        services = start_background(ctx.settings)
    if ctx.out.json:
        ctx.out.data({**_document(server, ctx.settings), "services": services})
    else:
        _page(server, ctx, services)
    return 0


async def stop(args: Namespace, ctx: Context) -> int:
    """Stop the background services and the server; say what was running beneath it."""
    from clearq.processes import stop_background
    from clearq.storage import embedded

    _private(ctx.settings, "down")
    try:
        async with asyncio.timeout(SERVICES_TIMEOUT):
            await stop_background(ctx.settings)
    except TimeoutError:
        ctx.out.note(f"the background services have not ended in {SERVICES_TIMEOUT:.0f} s; they end on their own")
    if await embedded.find(ctx.settings) is None:
        _report(ctx, False, [], [])
        return 0
    workers, tasks = await _still_running(ctx)
    await ctx.close()
    with ctx.out.status() as status:
        status.update("stopping the server …")
        stopped = await embedded.stop(ctx.settings)
    _report(ctx, stopped, workers, tasks)
    return 0


def _private(settings: Settings, verb: str) -> None:
    if not settings.embedded:
        raise UsageError(
            f"`clearq {verb}` is for this user's private server, but CLEARQ_URL or --url names {settings.shown_url}\n"
            "unset it to use the private one; a server elsewhere is started and stopped where it lives"
        )


def _document(server: EmbeddedServer, settings: Settings) -> dict[str, Any]:
    from clearq.settings import mask_url

    return {
        "url": mask_url(server.url),
        "tcp_url": mask_url(server.tcp_url),
        "socket": str(server.socket),
        "port": server.port,
        "pid": server.pid,
        "data": str(server.log.parent),
        "log": str(server.log),
        "namespace": settings.namespace,
        "started_now": server.started_now,
    }


def _page(server: EmbeddedServer, ctx: Context, services: int | None) -> None:
    from clearq.settings import mask_url

    data = server.log.parent
    ctx.out.say("started" if server.started_now else "running already")
    ctx.out.fields(
        [
            ("url", mask_url(server.url)),
            ("port", f"127.0.0.1:{server.port}"),
            ("pid", str(server.pid)),
            ("services", "running already" if services is None else f"started (pid {services})"),
            ("data", f"{data} (password, append-only file, log)"),
            ("keys", f"{{{ctx.settings.namespace}}}:*   (clearq doctor --keys tells what each holds)"),
        ]
    )
    password, socket = shlex.quote(str(data / "password")), shlex.quote(str(server.socket))
    ctx.out.note(
        "\nnext:\n"
        "  clearq agent --queue default        serve a queue on this host\n"
        "  clearq run -- python train.py       queue a command of this directory and follow it\n"
        f'  REDISCLI_AUTH="$(cat {password})" redis-cli -s {socket}\n'
        "  clearq down                         stop the server; its data stays"
    )


async def _still_running(ctx: Context) -> tuple[list[Worker], list[Task]]:
    """Living workers and running tasks, as far as the server can still tell."""
    try:
        engine = await ctx.engine()
        return await engine.workers.list(), await engine.tasks.find(statuses=["in_progress"], limit=1000)
    except ClearqError as error:  # data of another version, a full disk: no reason not to stop
        ctx.out.note(f"cannot tell what still runs: {error}")
        return [], []


def _report(ctx: Context, stopped: bool, workers: list[Worker], tasks: list[Task]) -> None:
    if ctx.out.json:
        names = [worker.info.label for worker in workers]
        ctx.out.data({"stopped": stopped, "workers": names, "tasks": [task.id for task in tasks]})
        return
    ctx.out.say("stopped; its data stays, clearq up starts it again" if stopped else "it does not run")
    if not workers and not tasks:
        return
    ctx.out.note(f"\nstill running without it: {plural(len(workers), 'worker')}, {plural(len(tasks), 'task')}")
    for worker in workers:
        ctx.out.note(f"  worker {worker.info.label} (pid {worker.info.pid} on {worker.info.host})")
    for task in tasks[:NAMED]:
        ctx.out.note(f"  task {task.id} {task.spec.name}")
    if len(tasks) > NAMED:
        ctx.out.note(f"  and {plural(len(tasks) - NAMED, 'more task')}")
    ctx.out.note("they go on and report when it is back")
