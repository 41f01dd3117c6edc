"""``Task.init``: begin the run of this process, without waiting for the network."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearq.errors import StatusConflict
from clearq.executors.host import this_host
from clearq.models import Parameter, TaskSpec, TaskType
from clearq.models.attempt import BY_HAND
from clearq.models.ids import new_id, nonce
from clearq.sdk import argparse_hook
from clearq.sdk.attempt import Attempt, attempt_file
from clearq.sdk.by_hand import end_dead_runs, this_process
from clearq.sdk.channels import Lease
from clearq.sdk.code import CodeCapture, main_script
from clearq.sdk.connection import connection
from clearq.sdk.console import ConsoleCapture
from clearq.sdk.exits import ExitWatch
from clearq.sdk.holder import Holder
from clearq.sdk.patch import SpecPatch
from clearq.sdk.run import RUN_VARIABLE, Run, at_end_of_child, child_opening
from clearq.sdk.session import Sessions, alive

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.models import Claim
    from clearq.sdk.outbox import Opening

log = logging.getLogger("clearq.sdk")

#: Names of what is not named.
DEFAULT_PROJECT, DEFAULT_NAME = "Untitled", "script"


@dataclass(frozen=True)
class InitOptions:
    """The arguments of ``Task.init`` that matter here."""

    project: str
    name: str
    type: TaskType
    tags: tuple[str, ...] = ()
    reuse: bool | str = True
    output_uri: str = ""
    arg_parser: bool | Mapping[str, bool] = True
    streams: bool = True


def begin(options: InitOptions) -> Run:
    """The process's run: of the agent's attempt, or one of its own."""
    attempt = attempt_file()
    run = _by_hand(options) if attempt is None else _under_agent(attempt)
    run.output_uri = options.output_uri
    if options.streams and run.mode == "manual":
        _capture_console(run)
    run.exits = ExitWatch(run.finish)
    run.exits.install()
    if options.arg_parser:
        argparse_hook.listen(CommandLine(run, options.arg_parser))
    return run


def join_parent() -> Run | None:
    """The run that started this process, if one did: this one reports for it, and leaves its status alone."""
    inherited = os.environ.get(RUN_VARIABLE, "")
    task_id, _, pid = inherited.partition(":")
    if not task_id or pid == str(os.getpid()) or not (pid.isdecimal() and alive(int(pid))):
        return None
    attempt = attempt_file()
    if attempt is not None and attempt.file.task.id != task_id:
        return None  # a run by hand started the agent
    if attempt is not None:
        run = _under_agent(attempt)
    else:
        run = Run("child", task_id, TaskSpec(name=DEFAULT_NAME), connection())
        run.open(child_opening(task_id, None))
        _capture_console(run)
    os.environ[RUN_VARIABLE] = inherited
    at_end_of_child(run.finish)
    return run


def _capture_console(run: Run) -> None:
    run.console = ConsoleCapture(run.print)
    run.console.install()


def _under_agent(attempt: Attempt) -> Run:
    task = attempt.file.task
    run = Run("agent", task.id, task.spec, connection())
    run.stored, run.stored_configurations = task.spec.parameters, task.spec.configurations
    lease = Lease(task.id, attempt.file.fence, scalars_from=_first_number(attempt))

    async def open_attempt(engine: Engine) -> Lease:
        return lease

    run.open(open_attempt)
    return run


#: Holds the lock of the attempt's first reporting process until this one ends.
_first_reporter: list[int] = []


def _first_number(attempt: Attempt) -> int:
    """Where this process numbers its reports from; 0 when another one of the attempt reports already.

    Numbers grow from attempt to attempt, and from process to process of one attempt.
    """
    folder = Path(os.environ["CLEARQ_ATTEMPT"]).parent
    try:
        descriptor = os.open(folder / "reporter.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return 0
    _first_reporter.append(descriptor)
    age = time.time() - Path(os.environ["CLEARQ_ATTEMPT"]).stat().st_mtime
    return (attempt.file.task.claims << 40) + max(1, int(age * 1000))


def _by_hand(options: InitOptions) -> Run:
    to = connection()
    entry = main_script()
    sessions = Sessions(to.settings.home, f"{to.settings.shown_url}/{to.settings.namespace}")
    record = sessions.path(options.project, options.name, entry or "")
    reused = _reused(options, sessions, record)
    spec = TaskSpec(name=options.name, project=options.project, type=options.type, tags=options.tags)
    run = Run("manual", reused or new_id(), spec, to)
    run.keep_session = lambda: sessions.remember(record, run.id, kept=True)
    holder_id = f"{BY_HAND}:{socket.gethostname()}:{os.getpid()}.{nonce()}"
    run.holder = Holder(
        to,
        holder_id,
        on_stop=lambda: run.stop("stopped on request"),
        on_lost=lambda: run.outbox.refuse("it was silent for too long, and the task was given away"),
    )
    run.open(_manual_opening(run, holder_id, reused is not None))
    sessions.remember(record, run.id)
    run.capture = CodeCapture(
        directory=Path.cwd(),
        entry=entry,
        argv=tuple(sys.argv[1:]),
        same_host=to.settings.embedded,
        found=lambda script: run.patch(SpecPatch(script=script)),
    )
    run.capture.start()
    return run


def _reused(options: InitOptions, sessions: Sessions, record: Path) -> str | None:
    if isinstance(options.reuse, str):
        return options.reuse
    forbidden = os.environ.get("CLEARQ_TASK_NO_REUSE") or os.environ.get("CLEARML_TASK_NO_REUSE")
    if not options.reuse or forbidden:
        return None
    return sessions.last(record)


def _manual_opening(run: Run, holder_id: str, reused: bool) -> Opening:
    """Register the run; begin with a new task when the one to be used again is needed elsewhere."""
    request = nonce()
    label, process = holder_id.rpartition(".")[0], this_process()

    async def begin(engine: Engine) -> Claim:
        host = this_host()
        return await engine.attempts.begin(
            run.spec,
            id=run.id,
            holder_id=holder_id,
            label=label,
            host_id=host.host_id,
            boot_id=host.boot_id,
            process=process,
            request=request,
        )

    async def open_run(engine: Engine) -> Lease:
        try:
            claim = await begin(engine)
        except StatusConflict:
            if not reused:
                raise
            before = run.id
            run.rename(new_id())
            log.warning("clearq: task %s is in use elsewhere; this run is task %s", before, run.id)
            claim = await begin(engine)
        lease = Lease(claim.task.id, claim.fence, scalars_from=1, console_from=1)
        if run.holder is not None:
            run.holder.start(lease)
        await end_dead_runs(engine)
        return lease

    return open_run


class CommandLine:
    """The run as listener of argparse."""

    def __init__(self, run: Run, wanted: bool | Mapping[str, bool]) -> None:
        self._run = run
        self._wanted = wanted

    @property
    def stored(self) -> Mapping[str, Parameter]:
        """Parameters that win over the command line."""
        return self._run.stored

    def wants(self, name: str, *, explicit: bool) -> bool:
        """``auto_connect_arg_parser`` may name arguments to leave out, or with ``"*": False`` those to take."""
        if explicit or isinstance(self._wanted, bool):
            return explicit or bool(self._wanted)
        return self._wanted.get(name, self._wanted.get("*", True))

    def record(self, parameters: Mapping[str, Parameter]) -> None:
        """Add what differs to the task."""
        present: Mapping[str, Any] = self._run.spec.parameters
        changed = {name: value for name, value in parameters.items() if present.get(name) != value}
        if changed:
            self._run.patch(SpecPatch(parameters=changed))
