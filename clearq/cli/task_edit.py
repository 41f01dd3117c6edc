"""``clearq task edit``: change a task that has not started."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from clearq.cli.context import Context, checked
from clearq.cli.values import count, seconds, setting, size
from clearq.errors import UsageError

if TYPE_CHECKING:
    from clearq.models import Parameter, TaskSpec

_TRUTHS = {"true": "True", "yes": "True", "1": "True", "false": "False", "no": "False", "0": "False"}


def register(verbs: Any) -> None:
    """Add ``clearq task edit``."""
    parser = verbs.add_parser(
        "edit",
        help="change a draft or a waiting task",
        description="Change a draft or a waiting task. A waiting one keeps its place.",
    )
    parser.add_argument("task", metavar="TASK", help="id or its unique beginning (4 characters or more)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION/NAME=VALUE",
        help="a parameter, such as Args/lr=0.1; may be given again",
    )
    parser.add_argument("--unset", action="append", default=[], metavar="SECTION/NAME", help="remove one")
    parser.add_argument("--name")
    parser.add_argument("--project")
    parser.add_argument("--comment")
    parser.add_argument("--tag", action="append", help="replaces the tags; may be given again")
    parser.add_argument("--gpus", type=count, metavar="N")
    parser.add_argument("--gpu-memory", type=size, metavar="SIZE", help="of each GPU: 40G")
    parser.add_argument("--time-limit", type=seconds, metavar="TIME", help="30s, 10m, 1h30m; 0: none")
    parser.add_argument("--retries", type=count, metavar="N")
    parser.set_defaults(run=edit_task)


async def edit_task(args: Namespace, ctx: Context) -> int:
    """Apply the changes in one step."""
    engine = await ctx.engine()
    task_id = await engine.tasks.resolve(args.task)
    if not _anything(args):
        raise UsageError("nothing to change\nsee: clearq task edit --help")
    task = await engine.tasks.edit(task_id, lambda spec: changed(spec, args))
    if ctx.out.json:
        ctx.out.data(task)
    else:
        ctx.out.say(f"{task_id} changed")
    return 0


def _anything(args: Namespace) -> bool:
    names = ("name", "project", "comment", "tag", "gpus", "gpu_memory", "time_limit", "retries")
    return bool(args.set or args.unset) or any(getattr(args, name) is not None for name in names)


def changed(spec: TaskSpec, args: Namespace) -> TaskSpec:
    """``spec`` with the flags applied. Raises UsageError or SpecError; pure."""
    document = spec.model_dump()
    for name in ("name", "project", "comment"):
        if (value := getattr(args, name)) is not None:
            document[name] = value
    if args.tag is not None:
        document["tags"] = tuple(args.tag)
    for name, part in (("gpus", "needs"), ("gpu_memory", "needs"), ("retries", "limits")):
        if (value := getattr(args, name)) is not None:
            document[part][name] = value
    if args.time_limit is not None:
        document["limits"]["time_limit"] = args.time_limit or None
    document["parameters"] = _parameters(spec.parameters, args)
    return checked(lambda: type(spec).model_validate(document))


def _parameters(present: dict[str, Parameter], args: Namespace) -> dict[str, Any]:
    result: dict[str, Any] = dict(present)
    for word in args.set:
        name, text = setting(word)
        result[name] = _parameter(name, text, present.get(name))
    for name in args.unset:
        if result.pop(name, None) is None:
            raise UsageError(f"the task has no parameter {name[:60]!r}\nit has: {', '.join(present) or 'none'}")
    return result


def _parameter(name: str, text: str, old: Parameter | None) -> Parameter:
    """The new value in the old one's type: a number stays a number."""
    from clearq.models import Parameter

    if old is None:
        return checked(lambda: Parameter(value=text))
    wanted = {"int": int, "float": float}.get(old.type)
    if wanted is not None:
        try:
            wanted(text)
        except ValueError:
            raise UsageError(f"{name} is of type {old.type}; {text[:40]!r} is not") from None
    if old.type == "bool":
        if text.lower() not in _TRUTHS:
            raise UsageError(f"{name} is of type bool; write true or false, not {text[:40]!r}")
        text = _TRUTHS[text.lower()]
    return old.model_copy(update={"value": text})
