"""A live run: this process's own task while it lasts, and how it talks to the server."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from clearq.errors import StorageUnavailable, TaskNotFound
from clearq.models import Outcome, Parameter, Status, TaskSpec
from clearq.sdk.channels import Deed, Lease
from clearq.sdk.code import CodeCapture
from clearq.sdk.connection import Connection
from clearq.sdk.console import ConsoleCapture
from clearq.sdk.exits import ExitWatch
from clearq.sdk.holder import Holder
from clearq.sdk.loop import background, call_before_shutdown
from clearq.sdk.outbox import Opening, Outbox
from clearq.sdk.patch import SpecPatch
from clearq.sdk.uploads import Uploads

if TYPE_CHECKING:
    from clearq.engine import Engine

log = logging.getLogger("clearq.sdk")

#: ``manual``: started by hand, holds its own lease. ``agent``: a supervisor looks after it. ``child``: a process
#: started by such a run, which only reports.
Mode = Literal["manual", "agent", "child"]

#: Seconds that the end of a program waits for its last reports.
CLOSE_TIMEOUT = 10.0
#: Seconds that the end of an agent's task waits for a server that cannot be reached: its supervisor waits, too.
AWAY_TIMEOUT = 900.0
#: Seconds that it waits for artifacts that are still being stored.
UPLOAD_TIMEOUT = 600.0
#: How often, and with how many seconds between, a child looks for its parent's run before it says so.
PARENT_TRIES, PARENT_PAUSE = 50, 0.2
#: Tells processes started by this one which task is theirs: ``<task id>:<pid>``.
RUN_VARIABLE = "CLEARQ_RUN"


class Run:
    """What the process knows of its own task; changes are sent in the background."""

    def __init__(self, mode: Mode, task_id: str, spec: TaskSpec, connection: Connection) -> None:
        self.mode: Mode = mode
        self.id = task_id
        self.spec = spec
        self.connection = connection
        #: Parameters and configurations that win over the program's own; empty for a run by hand.
        self.stored: Mapping[str, Parameter] = {}
        self.stored_configurations: Mapping[str, str] = {}
        self.output_uri = ""
        self.capture: CodeCapture | None = None
        self.console: ConsoleCapture | None = None
        self.uploads: Uploads | None = None
        self.holder: Holder | None = None
        self.exits: ExitWatch | None = None
        self.ended = False
        self._finish_by: float | None = None
        #: Notes that the task must not be used again by the next run of this script.
        self.keep_session: Callable[[], None] = lambda: None
        self.outbox: Outbox

    @property
    def override(self) -> bool:
        """Do stored values win over the program's own?"""
        return self.mode == "agent"

    @property
    def captures_console(self) -> bool:
        """Does what is printed reach the task's log anyway?"""
        return self.mode == "agent" or self.console is not None

    def open(self, opening: Opening) -> None:
        """Begin to report; returns at once."""
        self.outbox = Outbox(self.connection, opening)
        os.environ[RUN_VARIABLE] = f"{self.id}:{os.getpid()}"
        self.outbox.wake()
        call_before_shutdown(self._before_shutdown)

    def _before_shutdown(self) -> None:
        """The main thread has ended: what waits from now on counts as one wait."""
        if not self.ended:
            self._finish_by = time.monotonic() + CLOSE_TIMEOUT
            self.outbox.tried.wait(CLOSE_TIMEOUT)

    def rename(self, task_id: str) -> None:
        """The run is another task than was thought at first."""
        if os.environ.get(RUN_VARIABLE) == f"{self.id}:{os.getpid()}":
            os.environ[RUN_VARIABLE] = f"{task_id}:{os.getpid()}"
        self.id = task_id

    def patch(self, patch: SpecPatch) -> None:
        """Change the task's description, here at once and at the server soon."""
        self.spec = patch.apply(self.spec)
        self.outbox.edits.add(patch)
        self.outbox.wake()

    def print(self, at: float, stream: str, text: str) -> None:
        """Add a line to the task's log."""
        self.outbox.console.add(at, stream, text)
        self.outbox.wake()

    def stop(self, why: str) -> None:
        """End the program from the background, as Ctrl-C or SIGTERM do."""
        if self.exits is not None:
            self.exits.stop(why)

    def finish(self, outcome: Outcome | None = None, timeout: float | None = None) -> bool:
        """Send what waits and, for a run by hand, report how it ended.

        ``False`` when the server did not take it all within ``timeout`` seconds (10); a warning says so.
        """
        if self.ended:
            return True
        if timeout is None:
            timeout = CLOSE_TIMEOUT if self._finish_by is None else max(1.0, self._finish_by - time.monotonic())
        self.ended = True
        if self.console is not None:
            self.console.remove()
        ending = None
        if self.mode == "manual":
            ending = self.ending(outcome or self._outcome())
        if self.uploads is not None:
            self.uploads.close(UPLOAD_TIMEOUT)
        if self.holder is not None:
            self.holder.ending = True
        if self.mode == "agent" and self._finish_by is not None:
            self._await_server()
        done = self.outbox.close(ending, timeout)
        if not done and not self.outbox.stale:
            sys.stderr.write(
                f"clearq WARNING - The server did not answer within {timeout:.0f} s:"
                f" the last reports of task {self.id} are lost.\n"
            )
        self.outbox.warn_of_losses()
        self._let_go()
        return done

    def _await_server(self) -> None:
        """The program is over, and its task ends only when the server is back: nothing is won by losing reports."""
        by = time.monotonic() + AWAY_TIMEOUT
        with contextlib.suppress(KeyboardInterrupt):  # a stop
            while not self.outbox.flush(CLOSE_TIMEOUT) and not self.outbox.refused and time.monotonic() < by:
                pass

    @staticmethod
    def ending(outcome: Outcome) -> Deed:
        """What tells the server that this attempt ended so."""
        return _Ending(outcome)

    def _outcome(self) -> Outcome:
        return self.exits.outcome() if self.exits else Outcome(status=Status.COMPLETED, exit_code=0)

    def _let_go(self) -> None:
        if self.holder is not None:
            background.run(self.holder.stop(), 5.0)
        if self.exits is not None:
            self.exits.remove()
        if os.environ.get(RUN_VARIABLE) == f"{self.id}:{os.getpid()}":
            del os.environ[RUN_VARIABLE]

    def become_child(self) -> None:
        """In a forked child: report for the parent's task, and leave its status alone."""
        lease = self.outbox.lease
        self.mode = "agent" if self.mode == "agent" else "child"
        self.holder = self.capture = self.uploads = None
        if self.exits is not None:
            self.exits.after_fork()
            self.exits = None
        self.outbox = Outbox(self.connection, child_opening(self.id, lease), on_first_use=self._flush_at_end)
        if self.console is not None:
            self.console.after_fork(self.print)

    def _flush_at_end(self) -> None:
        at_end_of_child(lambda: self.outbox.flush(CLOSE_TIMEOUT / 2))


def at_end_of_child(work: Callable[[], object]) -> None:
    """Children of multiprocessing skip ``atexit`` and run finalizers; other processes do the reverse."""
    if "multiprocessing" in sys.modules:
        from multiprocessing import util

        util.Finalize(None, work, exitpriority=0)
    atexit.register(work)


class _Ending:
    """Tells the server how a run by hand ended."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    async def __call__(self, engine: Engine, lease: Lease) -> None:
        outcome, attempts = self._outcome, engine.attempts
        if outcome.status == Status.FAILED:
            await attempts.fail(
                lease.task_id,
                lease.fence,
                exit_code=outcome.exit_code,
                reason=outcome.reason,
                message=outcome.message,
                final=True,
            )
            return
        end = attempts.stopped if outcome.status == Status.STOPPED else attempts.complete
        await end(
            lease.task_id,
            lease.fence,
            exit_code=outcome.exit_code,
            reason=outcome.reason,
            message=outcome.message,
        )


def child_opening(task_id: str, lease: Lease | None) -> Opening:
    """How a child of a run by hand begins to report: with its parent's fence, without numbers."""

    async def open_child(engine: Engine) -> Lease:
        if lease is not None:
            return Lease(lease.task_id, lease.fence)
        return await _parents_lease(engine, task_id)

    return open_child


async def _parents_lease(engine: Engine, task_id: str) -> Lease:
    """The fence of a run whose process may just be about to register it."""
    for _ in range(PARENT_TRIES):
        try:
            return Lease(task_id, (await engine.tasks.get(task_id)).fence)
        except TaskNotFound:
            await asyncio.sleep(PARENT_PAUSE)
    raise StorageUnavailable(f"The parent process has not registered task {task_id}.")
