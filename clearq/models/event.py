"""Events: what happened to what, written together with the change."""

from __future__ import annotations

from clearq.models.base import Frozen


class Event(Frozen):
    """One entry of the ``events`` stream."""

    id: str  #: stream id, ordered
    at: float
    name: str  #: such as ``task.queued``, ``task.started``, ``queue.paused``, ``worker.registered``
    task: str = ""
    queue: str = ""
    worker: str = ""
    status: str = ""
    details: dict[str, str] = {}  # noqa: RUF012


class LogLine(Frozen):
    """Console output of a task, in order."""

    id: str  #: stream id: pass it on to read what follows
    at: float
    stream: str  #: ``stdout``, ``stderr`` or ``clearq`` (said by the agent about the attempt)
    text: str  #: one or more whole lines, without the last newline


class ScalarPoint(Frozen):
    """One value of one metric (title) and variant (series)."""

    title: str
    series: str
    value: float
    iteration: int
    at: float | None = None


class ScalarSummary(Frozen):
    """Last, least and greatest value of a metric and variant."""

    title: str
    series: str
    last: float
    min: float
    max: float
    iteration: int
    count: int


class ArtifactInfo(Frozen):
    """An artifact's entry: where it lies and what it is."""

    name: str
    url: str
    type: str = "file"
    size: int = 0  #: bytes
    hash: str = ""  #: sha256, hex
    preview: str = ""
    metadata: dict[str, str] = {}  # noqa: RUF012
    at: float | None = None
