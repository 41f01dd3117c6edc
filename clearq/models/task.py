"""A task: what is to be done (the spec, written by its author) and what became of it (written by the engine)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from clearq.models.base import Frozen
from clearq.models.status import ENDED, Stage, Status

#: Lowest and highest priority; the default is 0 and higher is served first.
PRIORITY_MIN, PRIORITY_MAX = -1000, 1000

#: Names are free text; this bounds only their length (characters).
NAME_MAX = 10_000

#: Message of a task that waits again because its attempt was handed back: unlike a failure or a loss.
NOT_COUNTED = "this counts as no attempt"

Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)]
Priority = Annotated[int, Field(ge=PRIORITY_MIN, le=PRIORITY_MAX)]


class TaskType(StrEnum):
    """ClearML's task types."""

    TRAINING = "training"
    TESTING = "testing"
    INFERENCE = "inference"
    DATA_PROCESSING = "data_processing"
    APPLICATION = "application"
    MONITOR = "monitor"
    CONTROLLER = "controller"
    OPTIMIZER = "optimizer"
    SERVICE = "service"
    QC = "qc"
    CUSTOM = "custom"


class ExecutorKind(StrEnum):
    """How an attempt runs."""

    PROCESS = "process"  #: a command in a directory of the worker's host
    VENV = "venv"  #: code in an environment made for it by uv
    DOCKER = "docker"
    FUNCTION = "function"


class Script(Frozen):
    """Code by reference: a repository at a commit plus a diff, or a single file that travels itself.

    Without ``repository``, ``diff`` holds the whole text of the script (as in ClearML) and ``entry_point``
    its file name. For executor ``process`` only ``argv`` (the whole command) and ``working_dir`` (absolute)
    count.
    """

    repository: str = ""
    branch: str = ""
    commit: str = ""  #: empty: the newest commit of ``branch``
    diff: str = ""  #: uncommitted changes (git diff), or the script's text when there is no repository
    entry_point: str = ""  #: path from ``working_dir``, or ``-m module``
    working_dir: str = ""  #: path from the repository's root; empty: the root
    binary: str = ""  #: interpreter asked for, such as ``python3.11``; empty: the agent's
    argv: tuple[str, ...] = ()  #: arguments after the entry point, or the command of executor ``process``
    #: Lines as in a requirements file. ``None`` or empty: what the repository itself says (C-009).
    requirements: str | None = None
    environment: dict[str, str] = Field(default_factory=dict)  #: extra environment variables; never secrets


class Function(Frozen):
    """The function that an attempt calls instead of running a program: a function task that needs GPUs."""

    name: str = ""  #: as its app knows it; empty: the task runs a program
    module: str = ""  #: to be imported: it declares the function
    app: str = ""  #: the app's name; empty: it has none
    args: str = ""  #: as the function's codec made them; what is not text in base64 behind ``base64:``
    options: str = ""  #: runtime options that differ from the declaration (JSON)


class Container(Frozen):
    """Container settings; used by executor ``docker``."""

    image: str = ""
    arguments: str = ""
    setup_script: str = ""


class Needs(Frozen):
    """What an attempt needs of its host. Any change of it raises the task's ``rev``."""

    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Annotated[float, Field(ge=0)] | None = None
    memory: Annotated[int, Field(ge=0)] | None = None  #: bytes of main memory
    gpu_type: str = ""
    gpu_memory: Annotated[int, Field(ge=0)] | None = None  #: bytes for each GPU


class Limits(Frozen):
    """Bounds and budgets of a task's attempts."""

    time_limit: Annotated[float, Field(gt=0)] | None = None  #: seconds of user code; then the attempt fails
    stop_grace: Annotated[float, Field(ge=0)] = 10.0  #: seconds from the stop signal to SIGKILL
    retries: Annotated[int, Field(ge=0)] = 0  #: further attempts after a failure
    retry_delay: Annotated[float, Field(ge=0)] = 1.0  #: seconds before the first retry; doubles each time
    retry_delay_max: Annotated[float, Field(ge=0)] = 600.0  #: seconds
    losses: Annotated[int, Field(ge=0)] = 3  #: how often it may be lost with its worker before it fails
    lost_timeout: Annotated[float, Field(ge=0)] = 900.0  #: seconds a silent script attempt is waited for


class Parameter(Frozen):
    """One hyper-parameter. Its name is ``Section/name``; its value travels as text with its type's name."""

    value: str
    type: str = "str"
    description: str = ""


class TaskSpec(Frozen):
    """What a task's author writes."""

    name: Name
    project: str = ""
    type: TaskType = TaskType.TRAINING
    executor: ExecutorKind = ExecutorKind.VENV
    tags: tuple[str, ...] = ()
    comment: str = ""
    parent: str = ""
    script: Script = Script()
    function: Function = Function()
    container: Container = Container()
    needs: Needs = Needs()
    limits: Limits = Limits()
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)  #: user properties
    configurations: dict[str, str] = Field(default_factory=dict)  #: configuration objects, as text by name


class Task(Frozen):
    """A task as the engine knows it now. Times are seconds since the epoch by the server's clock."""

    id: str
    spec: TaskSpec
    status: Status
    stage: Stage | None = None
    status_reason: str = ""
    status_message: str = ""
    queue: str = ""  #: id of the queue it waits in, runs from or last ran from
    priority: int = 0
    rev: int = 0
    created: float | None = None
    updated: float | None = None
    status_changed: float | None = None
    enqueued: float | None = None
    due: float | None = None  #: queued, but not to start before this
    limits: tuple[str, ...] = ()  #: keys of the limits by key that it is under
    held_on: str = ""  #: queued, but this one of its limits has no free permit
    after: tuple[str, ...] = ()  #: ids of the tasks that it runs after
    waits: int = 0  #: queued, but so many of those have not ended
    started: float | None = None  #: claim of the newest attempt
    ended: float | None = None
    claims: int = 0  #: attempts that were given out
    failures: int = 0  #: attempts that failed
    losses: int = 0  #: attempts that were lost with their worker
    releases: int = 0  #: attempts that were handed back (snoozed, a worker that ended): they count as none
    worker: str = ""  #: label of the worker that has or had it
    fence: str = ""  #: of the newest attempt
    host_id: str = ""
    boot_id: str = ""
    gpus: tuple[str, ...] = ()  #: UUIDs held
    exit_code: int | None = None
    last_iteration: int | None = None
    progress: int | None = None  #: percent
    progress_text: str = ""  #: the words that a function gave with it
    archived: bool = False
    manual: bool = False  #: run by hand (ClearML's ``development``), not by an agent
    log_url: str = ""  #: where the whole log of the newest ended attempt lies

    @property
    def ended_for_good(self) -> bool:
        """Nothing more happens to it by itself."""
        return self.status in ENDED
