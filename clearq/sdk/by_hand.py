"""A run by hand carries what proves its death: host, boot and process. Whoever works on that host later ends it.

Nobody else looks after such a run: killed hard, it would seem to run on until its ``lost_timeout`` is over.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

from clearq.errors import NotFoundError, Stale, StorageError
from clearq.executors.host import this_host
from clearq.executors.proc import look

if TYPE_CHECKING:
    from clearq.engine import Engine

log = logging.getLogger("clearq.sdk")

#: Seconds between two looks of a process that stays.
INTERVAL = 10.0


def this_process() -> str:
    """``<pid> <start> <namespace of pids>``; empty where the process table cannot be read."""
    found = look(os.getpid())
    return f"{found.pid} {found.started} {_pid_namespace()}" if found else ""


def proof_of_death(process: str, boot_id: str) -> str:
    """Why that process of this host cannot live any more; empty while it may."""
    if boot_id and boot_id != this_host().boot_id:
        return "its host was restarted"
    pid, _, rest = process.partition(" ")
    started, _, namespace = rest.partition(" ")
    if not pid.isdigit() or namespace != _pid_namespace():
        return ""  # a container's processes have numbers of their own
    gone = f"its process (pid {pid}) is gone"
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return gone
    except OSError:
        pass  # another user's; it exists
    found = look(int(pid))
    if found is None:
        return ""  # it exists, and is hidden from us
    return "" if found.alive and str(found.started) == started else gone


async def end_dead_runs(engine: Engine) -> None:
    """End the runs by hand of this host whose processes are dead. Does its best: raises nothing of the server's."""
    try:
        for run in await engine.attempts.by_hand(this_host().host_id):
            if proof := proof_of_death(run.process, run.boot_id):
                log.info("task %s: %s", run.task_id, proof)
                with contextlib.suppress(Stale, NotFoundError):
                    await engine.attempts.lose(run.task_id, run.fence, proof=proof)
    except StorageError as error:
        log.debug("runs by hand were not looked at: %s", error)


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115  (may not exist)
    except OSError:
        return "-"
