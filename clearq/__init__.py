"""clearq: an async, Redis-backed job queue and GPU orchestration framework.

The face of the package. Names are loaded on first use, so that ``import clearq`` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clearq._version import __version__

if TYPE_CHECKING:
    from clearq.app import Clearq
    from clearq.errors import FunctionFailed, TaskNotFound, WaitTimeout
    from clearq.functions.context import current
    from clearq.functions.handle import Handle, as_completed, gather
    from clearq.functions.inject import inject
    from clearq.functions.limits import limit
    from clearq.functions.signals import Cancel, Fail, Retry, Snooze
    from clearq.sdk.logger import Logger
    from clearq.sdk.task import Task
    from clearq.sdk.task_types import TaskTypes

__all__ = [
    "Cancel",
    "Clearq",
    "Fail",
    "FunctionFailed",
    "Handle",
    "Logger",
    "Retry",
    "Snooze",
    "Task",
    "TaskNotFound",
    "TaskTypes",
    "WaitTimeout",
    "__version__",
    "as_completed",
    "current",
    "gather",
    "inject",
    "limit",
]

_HOMES = {
    "Clearq": "clearq.app",
    "Cancel": "clearq.functions.signals",
    "Fail": "clearq.functions.signals",
    "FunctionFailed": "clearq.errors",
    "Handle": "clearq.functions.handle",
    "Logger": "clearq.sdk.logger",
    "Retry": "clearq.functions.signals",
    "Snooze": "clearq.functions.signals",
    "Task": "clearq.sdk.task",
    "TaskNotFound": "clearq.errors",
    "TaskTypes": "clearq.sdk.task_types",
    "WaitTimeout": "clearq.errors",
    "as_completed": "clearq.functions.handle",
    "current": "clearq.functions.context",
    "gather": "clearq.functions.handle",
    "inject": "clearq.functions.inject",
    "limit": "clearq.functions.limits",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'clearq' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
