"""Functions that need GPUs: tasks for agents. Their code travels as a reference, as that of scripts does.

Which code: the module that declares the function, from the folder that it is imported from. Where none can be
recorded (no repository, and more than one file), only an agent that has the app itself can run it (``--app``).
"""

from __future__ import annotations

import asyncio
import base64
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearq.engine.calls import Call
from clearq.engine.codec import encode_spec
from clearq.environments.packages import owners, requirement
from clearq.environments.record import is_local, record
from clearq.errors import EnvironmentFailed, SpecError, UsageError
from clearq.functions.payloads import MARK
from clearq.functions.registry import module_of, public_name
from clearq.models import ExecutorKind, Function, Limits, Needs, Script, TaskSpec, TaskType

if TYPE_CHECKING:
    from clearq.engine.cron import CronRule
    from clearq.functions.client import Client, Home
    from clearq.functions.options import Options

log = logging.getLogger("clearq.functions")

_BASE64 = "base64:"

#: Fields of a call that its task takes over as they are.
_FIELDS = ("unique", "unique.mode", "unique.ms", "after", "after.rule", "fair", "keep", "limits")


@dataclass(frozen=True)
class Code:
    """Where a module comes from."""

    module: str  #: its name, to be imported
    script: Script
    travels: bool = True


_codes: dict[tuple[str, bool], Code] = {}
_recording = threading.Lock()
_importing: list[str] = []


@contextmanager
def importing(module: str) -> Iterator[None]:
    """For the process of an attempt: what it imports meanwhile must not enqueue itself."""
    _importing.append(module)
    try:
        yield
    finally:
        _importing.pop()


async def submit(client: Client, home: Home, function: Callable[..., Any], given: Options, call: Call) -> str:
    """Enqueue a call as a task for agents. Answers as ``Functions.enqueue`` does. Raises UsageError, TaskNotFound."""
    if _importing:
        raise UsageError(
            f"Module {_importing[-1]!r} enqueues {call.fn} while it is imported, and each attempt imports it: put "
            "that under if __name__ == '__main__':"
        )
    code = await asyncio.to_thread(code_of, function, is_local(home.settings))
    return await client.functions.submit(call, described(home, given, call, code))


def described(home: Home, given: Options, call: Call, code: Code) -> dict[str, str]:
    """The fields of the call's task: what agents must know of it, and what its queue must."""
    fields = {name: call.extra[name] for name in _FIELDS if name in call.extra}
    if "sizes" in call.extra:
        fields["sizes"] = call.extra["sizes"]  # the last: it is told to the queue and not stored with the task
    return {**encode_spec(_spec(home, given, call, code)), **fields}


def described_rule(home: Home, function: Callable[..., Any], given: Options, rule: CronRule) -> CronRule:
    """A cron rule that makes such tasks, of the code as it is now. Raises UsageError."""
    call = Call("", rule.function, rule.args, extra=rule.extra)
    return replace(rule, extra=described(home, given, call, code_of(function, is_local(home.settings))))


def _spec(home: Home, given: Options, call: Call, code: Code) -> TaskSpec:
    losses = {} if given.losses is None else {"losses": given.losses}
    return TaskSpec(
        name=call.fn,
        type=TaskType.CUSTOM,
        executor=ExecutorKind.VENV if code.travels else ExecutorKind.FUNCTION,
        script=code.script,
        function=Function(
            name=call.fn,
            module=code.module,
            app=home.name,
            args=to_text(call.args),
            options=call.extra.get("options", ""),
        ),
        needs=Needs(gpus=given.gpus),
        limits=Limits(
            retries=given.retries, retry_delay=given.retry_delay, retry_delay_max=given.retry_delay_max, **losses
        ),
    )


def to_text(args: bytes) -> str:
    """Arguments as a field of a description holds them: JSON, and references to what is stored, as they are."""
    if args.startswith((b"[", b"{", MARK)):
        return args.decode()
    return _BASE64 + base64.b64encode(args).decode()


def from_text(text: str) -> bytes:
    """The reverse."""
    return base64.b64decode(text.removeprefix(_BASE64)) if text.startswith(_BASE64) else text.encode()


def code_of(function: Callable[..., Any], same_host: bool) -> Code:
    """The code of a function's module: recorded once a process, as it imported it once. Raises UsageError."""
    with _recording:
        module = function.__module__
        if (module, same_host) not in _codes:
            _codes[module, same_host] = _record(function, same_host)
        return _codes[module, same_host]


def _record(function: Callable[..., Any], same_host: bool) -> Code:
    file, module = getattr(sys.modules.get(function.__module__), "__file__", None), module_of(function)
    if file is None or module is None:
        nowhere = file is None or file.startswith("<")
        where = "in no file (a prompt, standard input, python -c)" if nowhere else f"in {file}, no module's name"
        raise UsageError(
            f"{public_name(function)} needs GPUs, so its code must travel, and it is declared {where}: move it into "
            "a module, such as train.py."
        )
    path = Path(file).resolve()
    try:
        script = _installed(module) if {"site-packages", "dist-packages"} & set(path.parts) else None
        script = script or _local(module, path, same_host)
    except (SpecError, EnvironmentFailed) as error:
        log.warning("the code of %s does not travel, only agents with --app can run it: %s", module, error)
        return Code(module, Script(), travels=False)
    binary = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Code(module, script.model_copy(update={"binary": binary}))


def _installed(module: str) -> Script | None:
    """A module of an installed package travels as that package's name and version."""
    lines = [requirement(owner) for owner in owners([module])]
    return Script(entry_point=f"-m {module}", requirements="\n".join([*lines, "clearq"])) if lines else None


def _local(module: str, file: Path, same_host: bool) -> Script:
    """A module of the user's own. Raises SpecError."""
    parts = module.split(".")
    depth = len(parts) - (file.name != "__init__.py")
    root = file.parents[min(depth, len(file.parents) - 1)]
    inside = file.relative_to(root)
    if inside.with_suffix("").parts[: len(parts)] != tuple(parts):
        raise SpecError(f"module {module!r} is imported from {file}, which has another name")
    script = record(
        root, str(inside), same_host=same_host, note=lambda sentence: log.warning("code of %s: %s", module, sentence)
    )
    if not script.repository and len(inside.parts) > 1:
        raise SpecError(f"{root / parts[0]} is a package in no git repository: run 'git init' there and commit it")
    if Path(script.entry_point) != (inside if script.repository else Path(file.name)):
        raise SpecError(f"the git repository of {file} begins inside of the package {parts[0]!r}")
    return script
