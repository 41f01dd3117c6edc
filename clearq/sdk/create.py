"""``Task.create``: a draft from a repository, a script or a module, without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearq.environments.capture import entry_file
from clearq.errors import UsageError
from clearq.models import Container, Script, TaskSpec, TaskType
from clearq.sdk.code import recorded, requirement_lines
from clearq.sdk.connect import ARGS
from clearq.sdk.connection import connection
from clearq.sdk.description import container_of
from clearq.sdk.values import to_parameter


@dataclass(frozen=True)
class CreateOptions:
    """The arguments of ``Task.create``."""

    project: str
    name: str
    type: TaskType
    repo: str | None = None
    branch: str | None = None
    commit: str | None = None
    script: str | None = None
    working_directory: str | None = None
    module: str | None = None
    packages: Sequence[str] | bool | None = None
    requirements_file: str | Path | None = None
    docker: str | None = None
    docker_args: str | Sequence[str] | None = None
    docker_bash_setup_script: str | Sequence[str] | None = None
    arguments: Sequence[tuple[str, Any]] = ()
    binary: str | None = None
    detect_repository: bool = True
    single_file: bool = False
    base: TaskSpec | None = field(default=None)


def describe(options: CreateOptions) -> TaskSpec:
    """The draft's description.

    Raises :class:`~clearq.errors.UsageError` for arguments that do not go together, SpecError for code that
    cannot be recorded.
    """
    spec = options.base or TaskSpec(name=options.name)
    script = _script(options, spec.script)
    container, executor = spec.container, spec.executor
    if options.docker is not None:
        fields, executor = container_of(options.docker, options.docker_args, options.docker_bash_setup_script)
        container = Container(**fields)
    parameters = dict(spec.parameters)
    parameters |= {f"{ARGS}/{name.lstrip('-')}": to_parameter(value) for name, value in options.arguments}
    return spec.model_copy(
        update={
            "name": options.name,
            "project": options.project,
            "type": options.type,
            "script": script,
            "container": container,
            "executor": executor,
            "parameters": parameters,
        }
    )


def _script(options: CreateOptions, base: Script) -> Script:
    if options.script and options.module:
        raise UsageError("Give script or module, not both.")
    entry = f"-m {options.module}" if options.module else options.script
    if options.repo:
        script = Script(
            repository=options.repo,
            branch=options.branch or "",
            commit=options.commit or "",
            entry_point=entry or "",
            working_dir=_inside(options.working_directory),
        )
    elif entry is not None:
        script = _local(options, entry)
    else:
        script = base
    update: dict[str, Any] = {}
    if (requirements := _requirements(options)) is not None:
        update["requirements"] = requirements
    if options.binary:
        update["binary"] = options.binary
    return script.model_copy(update=update)


def _local(options: CreateOptions, entry: str) -> Script:
    """Code that stands on this machine."""
    directory = Path(options.working_directory or Path.cwd())
    file = entry_file(directory, entry)
    if file is None or not file.is_file():
        raise UsageError(f"There is no {entry} in {directory}.")
    if options.single_file or not options.detect_repository:
        return Script(diff=file.read_text(), entry_point=file.name)
    return recorded(directory, entry, same_host=connection().settings.embedded)


def _requirements(options: CreateOptions) -> str | None:
    if options.requirements_file:
        return requirement_lines(options.requirements_file)
    if isinstance(options.packages, bool) or options.packages is None:
        return None
    return requirement_lines(options.packages)


def _inside(directory: str | None) -> str:
    return "" if directory in (None, ".") else str(directory)


def pairs(arguments: Sequence[Any] | Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """``argparse_args`` as pairs: a dict, pairs, or texts such as ``"lr=0.1"``."""
    if arguments is None:
        return []
    if isinstance(arguments, Mapping):
        return list(arguments.items())
    found = []
    for one in arguments:
        name, value = one.split("=", 1) if isinstance(one, str) and "=" in one else one
        found.append((str(name), value))
    return found
