"""``clearq run``: submit a command of this directory, follow it, exit with its code."""

from __future__ import annotations

from argparse import REMAINDER, Namespace
from typing import TYPE_CHECKING, Any

from clearq.cli import exits
from clearq.cli.context import Context
from clearq.cli.follow import ending, exit_code_of, follow
from clearq.cli.submission import build_spec
from clearq.cli.text import clean
from clearq.cli.values import count, seconds, size
from clearq.cli.waiting import position

if TYPE_CHECKING:
    from clearq.engine import Engine

_TEXT = """\
Submit what stands in this directory, follow its output and exit with its code.

  clearq run -- python train.py --lr 0.1
  clearq run --queue gpu --gpus 1 --time-limit 2h -- python -m trainer.main
  clearq run --repo https://example.org/team/project.git --branch main -- python train.py
  clearq run --detach -- ./measure.sh

In a git repository, commit and uncommitted changes travel with the task. Outside one the script itself
travels. Any command that is not Python runs in this very directory, which only an agent of this host can do.

Ctrl-C stops following and leaves the task alone (with --stop-on-interrupt it stops the task).
"""


def register(subparsers: Any) -> None:
    """Add ``clearq run``."""
    parser = subparsers.add_parser(
        "run",
        help="run a command on a worker",
        description=_TEXT,
        usage="clearq run [options] -- COMMAND [ARGUMENT ...]",
    )
    _where(parser.add_argument_group("where and when"))
    _code(parser.add_argument_group("code and environment"))
    _bounds(parser.add_argument_group("needs and limits"))
    _about(parser.add_argument_group("about the task"))
    _following(parser.add_argument_group("following"))
    parser.add_argument("command", nargs=REMAINDER, metavar="COMMAND", help="what to run, with its arguments")
    parser.set_defaults(run=run)


def _where(group: Any) -> None:
    group.add_argument("--queue", default="default", help="name or id (default: default)")
    group.add_argument("--create-queue", action="store_true", help="make the queue if there is none")
    group.add_argument(
        "--priority", type=int, default=0, metavar="N", help="-1000 to 1000; higher runs first (default 0)"
    )
    group.add_argument("--delay", type=seconds, metavar="TIME", help="not before so long: 30s, 10m, 1h30m")
    group.add_argument("--fair-key", metavar="KEY", help="its key in a fair queue, whose keys take turns")
    group.add_argument("--key", help="submit at most once under this key; again: the first task's id")


def _code(group: Any) -> None:
    group.add_argument("--repo", metavar="URL", help="run from this git repository, not from this directory")
    group.add_argument("--branch", default="", help="of --repo")
    group.add_argument("--commit", default="", help="of --repo (default: the newest of the branch)")
    group.add_argument("--working-dir", default="", metavar="DIR", help="folder inside --repo to start in")
    group.add_argument(
        "--requirements",
        metavar="FILE",
        help="packages to install (default: the repository's lock file, requirements.txt or pyproject.toml)",
    )
    group.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="environment variable; kept in Redis as plain text: not for secrets",
    )
    group.add_argument("--executor", choices=("venv", "process", "docker"), help="default: chosen by the command")
    group.add_argument(
        "--docker",
        nargs="?",
        const="",
        metavar="IMAGE",
        help="run in a container (no image: the agent's own)",
    )
    group.add_argument("--docker-args", default="", metavar="ARGS", help="for docker run, as one word")


def _bounds(group: Any) -> None:
    group.add_argument("--gpus", type=count, default=0, metavar="N", help="GPUs it needs (default 0)")
    group.add_argument("--gpu-type", default="", metavar="NAME", help="such as H100")
    group.add_argument("--gpu-memory", type=size, metavar="SIZE", help="of each GPU: 40G")
    group.add_argument("--cpus", type=float, metavar="N", help="cores it needs")
    group.add_argument("--memory", type=size, metavar="SIZE", help="main memory it needs: 16G")
    group.add_argument("--time-limit", type=seconds, metavar="TIME", help="fail it after so long: 30s, 2h")
    group.add_argument("--retries", type=count, default=0, metavar="N", help="further attempts after a failure")
    group.add_argument("--stop-grace", type=seconds, metavar="TIME", help="from a stop to SIGKILL (default 10s)")


def _about(group: Any) -> None:
    group.add_argument("--name", help="default: from the command")
    group.add_argument("--project", default="")
    group.add_argument("--tag", action="append", default=[], help="may be given again")
    group.add_argument("--comment", default="")


def _following(group: Any) -> None:
    group.add_argument("-d", "--detach", action="store_true", help="print the task's id and return")
    group.add_argument(
        "--timeout",
        type=seconds,
        metavar="TIME",
        help="stop following after so long, exit 124; the task goes on",
    )
    group.add_argument("--stop-on-interrupt", action="store_true", help="Ctrl-C stops the task")


async def run(args: Namespace, ctx: Context) -> int:
    """Submit, follow, and return the task's exit code."""
    spec = await build_spec(args, ctx)
    engine = await ctx.engine()
    task_id = await engine.tasks.submit(
        spec,
        args.queue,
        priority=args.priority,
        delay=args.delay,
        key=args.key,
        create_queue=args.create_queue,
        fair=args.fair_key,
    )
    if args.detach:
        return await _detached(engine, task_id, ctx)
    if not ctx.out.json:
        ctx.out.note(f"submitted {task_id} ({clean(spec.name, 60)}) to queue {clean(args.queue, 60)}")
    return await _follow(engine, task_id, args, ctx)


async def _detached(engine: Engine, task_id: str, ctx: Context) -> int:
    if not ctx.out.json:
        ctx.out.say(task_id)
        return exits.OK
    task = await engine.tasks.get(task_id)
    ctx.out.data({"id": task_id, "queue": task.queue, "place": await position(engine, task)})
    return exits.OK


async def _follow(engine: Engine, task_id: str, args: Namespace, ctx: Context) -> int:
    task = await follow(engine, task_id, ctx.out, timeout=args.timeout)
    if task is None and args.stop_on_interrupt:
        answer = await engine.tasks.stop(task_id, reason="Ctrl-C in clearq run")
        ctx.out.note(f"task {task_id}: {answer}")
        task = await follow(engine, task_id, ctx.out, timeout=args.timeout)
    if task is None:
        ctx.out.note(
            f"task {task_id} goes on\n"
            f"  follow it: clearq task logs -f {task_id}\n"
            f"  stop it:   clearq task stop {task_id}"
        )
        return exits.INTERRUPTED
    if ctx.out.json:
        ctx.out.record(task)
    else:
        ctx.out.note(f"clearq: {ending(task)}")
    return exit_code_of(task)
