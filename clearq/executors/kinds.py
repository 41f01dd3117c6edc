"""The executors by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from clearq.errors import SpecError
from clearq.executors.job import Executor
from clearq.executors.process import ProcessExecutor
from clearq.executors.venv import VenvExecutor
from clearq.models import ExecutorKind

#: Those that a supervisor can run on its host. Functions run in function workers.
EXECUTORS: Mapping[ExecutorKind, type[Executor]] = MappingProxyType(
    {ExecutorKind.PROCESS: ProcessExecutor, ExecutorKind.VENV: VenvExecutor}
)


def executor_for(kind: ExecutorKind) -> Executor:
    """The executor of that name.

    Raises :class:`~clearq.errors.SpecError` when an agent cannot run such tasks.
    """
    if kind is ExecutorKind.FUNCTION:
        raise SpecError("The code of this function does not travel: it needs an agent with --app module:app")
    if kind not in EXECUTORS:
        able = ", ".join(EXECUTORS)
        raise SpecError(f"an agent cannot run executor '{kind}' here; it can run: {able}")
    return EXECUTORS[kind]()
