"""From ``clearq run``'s flags and this directory to a task's description."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from clearq.cli.command import PythonCommand, default_name, recognise
from clearq.cli.context import Context, checked
from clearq.cli.values import environment
from clearq.errors import UsageError

if TYPE_CHECKING:
    from clearq.models import ExecutorKind, Limits, Needs, Script, TaskSpec


async def build_spec(args: Namespace, ctx: Context) -> TaskSpec:
    """The task that the flags describe, with this directory's code. Raises UsageError, SpecError."""
    from clearq.models import Container, TaskSpec

    words = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not words or not words[0].strip():
        raise UsageError("what shall run? write it after --, such as: clearq run -- python train.py")
    executor, script = await _code(words, args, ctx)
    return checked(
        lambda: TaskSpec(
            name=args.name if args.name is not None else default_name(words),
            project=args.project,
            executor=executor,
            tags=tuple(dict.fromkeys(args.tag)),
            comment=args.comment,
            script=script,
            container=Container(image=args.docker or "", arguments=args.docker_args),
            needs=_needs(args),
            limits=_limits(args),
        )
    )


async def _code(words: list[str], args: Namespace, ctx: Context) -> tuple[ExecutorKind, Script]:
    from clearq.models import ExecutorKind

    command = recognise(words)
    extra = environment(args.env, os.environ)
    if command is not None and command.unbuffered:
        extra.setdefault("PYTHONUNBUFFERED", "1")
    kind = _kind(args, command)
    if kind is ExecutorKind.PROCESS:
        return kind, _process(words, args, extra, ctx)
    if command is None:
        raise UsageError(
            f"--repo and the executors venv and docker run Python; this starts {words[0][:60]!r}\n"
            "write: clearq run … -- python script.py, or leave the flag out to run any command on this host"
        )
    listed = _requirements(args.requirements) if args.requirements else None
    if args.repo:
        script = _remote(command, args, listed)
    else:
        script = await _local(command, args, ctx, listed)
    return kind, checked(lambda: _with_environment(script, extra))


def _kind(args: Namespace, command: PythonCommand | None) -> ExecutorKind:
    from clearq.models import ExecutorKind

    if args.docker is not None or args.executor == "docker":
        if args.executor not in (None, "docker"):
            raise UsageError(f"--docker and --executor {args.executor} exclude each other")
        return ExecutorKind.DOCKER
    if args.executor:
        return ExecutorKind(args.executor)
    return ExecutorKind.VENV if command is not None or args.repo else ExecutorKind.PROCESS


def _process(words: list[str], args: Namespace, extra: dict[str, str], ctx: Context) -> Script:
    from clearq.models import Script

    for flag in ("repo", "requirements", "branch", "commit", "working_dir"):
        if getattr(args, flag):
            name = flag.replace("_", "-")
            raise UsageError(f"--{name} has no meaning for a command that runs in this directory as it is")
    here = Path.cwd()
    if not args.detach:
        ctx.out.note(f"runs in {here}: only an agent of this host can run it")
    return checked(lambda: Script(argv=tuple(words), working_dir=str(here), environment=extra))


def _with_environment(script: Script, extra: dict[str, str]) -> Script:
    return type(script).model_validate({**script.model_dump(), "environment": extra})


def _remote(command: PythonCommand, args: Namespace, requirements: str | None) -> Script:
    from clearq.models import Script

    return checked(
        lambda: Script(
            repository=args.repo,
            branch=args.branch,
            commit=args.commit,
            entry_point=command.entry_point,
            working_dir=args.working_dir,
            binary=command.binary,
            argv=command.argv,
            requirements=requirements,
        )
    )


async def _local(command: PythonCommand, args: Namespace, ctx: Context, requirements: str | None) -> Script:
    from clearq.cli.local_code import capture_here
    from clearq.environments.record import is_local

    for flag in ("branch", "commit", "working_dir"):
        if getattr(args, flag):
            raise UsageError(f"--{flag.replace('_', '-')} needs --repo: without it, what stands here is run")
    return await asyncio.to_thread(
        capture_here,
        command,
        Path.cwd(),
        same_host=is_local(ctx.settings),
        requirements=requirements,
        note=lambda sentence: ctx.out.note(f"note: {sentence}"),
    )


def _requirements(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--requirements {name[:200]}: {getattr(error, 'strerror', None) or error}") from None


def _needs(args: Namespace) -> Needs:
    from clearq.models import Needs

    return Needs(
        gpus=args.gpus,
        gpu_type=args.gpu_type,
        gpu_memory=args.gpu_memory,
        cpus=args.cpus,
        memory=args.memory,
    )


def _limits(args: Namespace) -> Limits:
    from clearq.models import Limits

    given = {"time_limit": args.time_limit, "retries": args.retries, "stop_grace": args.stop_grace}
    return Limits(**{name: value for name, value in given.items() if value is not None})
