"""arq's own words: its classes where it is installed, so that ``except`` and ``is`` go on working; else the same."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

#: The queue of whoever names none.
QUEUE = "arq:queue"

#: Seconds after its time that a job may still start.
EXPIRES = 86_400.0


class JobStatus(str, Enum):  # noqa: UP042  # as arq has it: str() of a member is not its value
    """Where a job stands."""

    deferred = "deferred"
    queued = "queued"
    in_progress = "in_progress"
    complete = "complete"
    not_found = "not_found"


class ResultNotFound(RuntimeError):
    """There is no such job, or its result has expired."""


class JobExecutionFailed(RuntimeError):
    """The job was not run: too many tries, or too late."""


@dataclass
class JobDef:
    """A job as it was enqueued."""

    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    job_try: int
    enqueue_time: datetime
    score: int | None  #: when it is to run, milliseconds since the epoch
    job_id: str | None


@dataclass
class JobResult(JobDef):
    """A job that has ended."""

    success: bool
    result: Any
    start_time: datetime
    finish_time: datetime
    queue_name: str


if not TYPE_CHECKING:
    try:
        _jobs, _worker = importlib.import_module("arq.jobs"), importlib.import_module("arq.worker")
    except ImportError:
        pass
    else:
        JobStatus, ResultNotFound = _jobs.JobStatus, _jobs.ResultNotFound
        JobDef, JobResult = _jobs.JobDef, _jobs.JobResult
        JobExecutionFailed = _worker.JobExecutionFailed


def seconds(value: float | timedelta | None) -> float | None:
    """A duration as arq takes it."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def is_a(error: BaseException, name: str) -> bool:
    """Is it arq's exception of that name? Without importing arq."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == "arq" for kind in type(error).__mro__)
