"""Attempts: one claim of one task, and how it ended."""

from __future__ import annotations

from clearq.models.base import Frozen
from clearq.models.task import Task

#: What the id of a holder that is a run by hand begins with.
BY_HAND = "manual"


class Claim(Frozen):
    """A worker's fenced right to one attempt of a task."""

    task: Task
    fence: str
    holder: str  #: worker or supervisor that beats for it


class Outcome(Frozen):
    """How an attempt ended, in the words of its supervisor."""

    status: str  #: completed, failed, stopped
    reason: str = ""  #: one short sentence for people
    message: str = ""
    exit_code: int | None = None


class Beat(Frozen):
    """The server's answer to a heartbeat."""

    gone: bool = False  #: declared dead: end all work, then register anew
    stop: tuple[str, ...] = ()  #: task ids that shall end
    lost: tuple[str, ...] = ()  #: task ids whose fence is no longer valid
    work: bool = False  #: one of the worker's lanes is not empty
    given: int = 0  #: functions that were given to the worker so far, without its asking


class EnqueueResponse(Frozen):
    """ClearML's answer to an enqueue (row K-102)."""

    queued: int | None = 1
    updated: int | None = 1
    fields: dict[str, str] = {}  # noqa: RUF012


class AttemptFile(Frozen):
    """``attempt.json``: all that a supervisor and the user's process need to know (mode 0600, it holds the URL).

    Lies in ``<home>/attempts/<marker>/``; the environment variable ``CLEARQ_ATTEMPT`` names it.
    """

    url: str  #: of the server, password included
    namespace: str
    home: str
    artifacts_url: str = ""
    task: Task  #: as it was claimed
    fence: str
    holder: str  #: the supervisor's name as holder of the lease
    agent: str = ""  #: worker id of the agent that claimed it
    gpus: tuple[str, ...] = ()  #: UUIDs held
    visible_gpus: str = ""  #: ``CUDA_VISIBLE_DEVICES`` for the user's process, such as ``0,1``
    host_id: str = ""
    boot_id: str = ""
    work: str = ""  #: the attempt's working folder
    app: str = ""  #: ``module:attribute`` of the agent's own app (``--app``), which is to be called
    app_folder: str = ""  #: where that app is imported from

    @property
    def marker(self) -> str:
        """``<task id>.<claims>``: names the attempt's folder and, in ``CLEARQ_MARKER``, its processes."""
        return f"{self.task.id}.{self.task.claims}"
