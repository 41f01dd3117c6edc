"""The nouns of clearq: frozen pydantic models without any I/O."""

from clearq.models.attempt import AttemptFile, Beat, Claim, EnqueueResponse, Outcome
from clearq.models.event import ArtifactInfo, Event, LogLine, ScalarPoint, ScalarSummary
from clearq.models.queue import Pause, Place, Queue
from clearq.models.status import ENDED, Stage, Status
from clearq.models.task import (
    Container,
    ExecutorKind,
    Function,
    Limits,
    Needs,
    Parameter,
    Script,
    Task,
    TaskSpec,
    TaskType,
)
from clearq.models.verdict import Verdict
from clearq.models.worker import Lane, Worker, WorkerInfo

__all__ = [
    "ENDED",
    "ArtifactInfo",
    "AttemptFile",
    "Beat",
    "Claim",
    "Container",
    "EnqueueResponse",
    "Event",
    "ExecutorKind",
    "Function",
    "Lane",
    "Limits",
    "LogLine",
    "Needs",
    "Outcome",
    "Parameter",
    "Pause",
    "Place",
    "Queue",
    "ScalarPoint",
    "ScalarSummary",
    "Script",
    "Stage",
    "Status",
    "Task",
    "TaskSpec",
    "TaskType",
    "Verdict",
    "Worker",
    "WorkerInfo",
]
