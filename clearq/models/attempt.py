"""Attempts: one claim of one task, and how it ended."""

from __future__ import annotations

from typing import Literal

from clearq.models.base import Frozen
from clearq.models.task import Task


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


class Verdict(Frozen):
    """How a function's attempt ended, in the words of the process that ran it. Its supervisor passes it on."""

    how: Literal["complete", "retry", "fail", "stop", "release"]
    payload: str = ""  #: result or error; each byte is one character
    reason: str = ""
    pause: float | None = None  #: seconds before the next attempt

    @property
    def data(self) -> bytes:
        """The payload as it is stored."""
        return self.payload.encode("latin-1")


class Beat(Frozen):
    """The server's answer to a heartbeat."""

    gone: bool = False  #: declared dead: end all work, then register anew
    stop: tuple[str, ...] = ()  #: task ids that shall end
    lost: tuple[str, ...] = ()  #: task ids whose fence is no longer valid
    work: bool = False  #: one of the worker's lanes is not empty


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
    #: ``module:attribute`` of the agent's own app (``--app``) when the attempt runs there, from the folder ``app_folder``.
    app: str = ""
    app_folder: str = ""

    @property
    def marker(self) -> str:
        """``<task id>.<claims>``: names the attempt's folder and, in ``CLEARQ_MARKER``, its processes."""
        return f"{self.task.id}.{self.task.claims}"
