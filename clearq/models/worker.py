"""Workers: processes that claim and run tasks."""

from __future__ import annotations

from clearq.models.base import Frozen


class Lane(Frozen):
    """One kind of work of one queue."""

    queue: str  #: queue id
    kind: str = "script"  #: ``script`` (scripts and containers), ``function``, or ``function.<app>``


class WorkerInfo(Frozen):
    """What a worker says of itself when it registers."""

    label: str  #: unique among the living, such as ``lab1:gpu0,1``
    kind: str = "agent"  #: agent, function, services
    host: str = ""
    host_id: str = ""  #: machine id, stable over restarts
    boot_id: str = ""  #: changes with each boot of the host
    pid: int = 0
    version: str = ""
    lanes: tuple[Lane, ...] = ()
    slots: int = 1
    gpus: tuple[str, ...] = ()  #: UUIDs it may hand out
    tags: tuple[str, ...] = ()
    executors: tuple[str, ...] = ()  #: kinds of executors it runs; empty: not said
    declares: str = ""  #: digest of the names of its app's functions; empty: not said


class Worker(Frozen):
    """A worker as others see it."""

    id: str  #: label and a nonce of this process start: the holder of its leases
    info: WorkerInfo
    started: float | None = None
    last_seen: float | None = None
    alive: bool = True
    tasks: tuple[str, ...] = ()  #: ids of the attempts it looks after
    metrics: dict[str, float] = {}  # noqa: RUF012  (frozen model: the default is never changed)
    state: str = ""  #: one sentence for people: working, idle and why
