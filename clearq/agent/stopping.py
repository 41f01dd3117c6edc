"""Ask a process that holds a name on this host to end, and wait until it has, but not for ever."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

from clearq.agent.registry import AgentFile
from clearq.agent.watch import wait_gone
from clearq.errors import ConflictError, WaitTimeout
from clearq.executors.proc import look, send

#: Seconds that an agent gets: it may wait for a server that is away, or for a supervisor that it starts.
STOP_WITHIN = 60.0


async def end(agent: AgentFile, within: float) -> None:
    """End an agent; its running tasks go on. Raises ConflictError when it may not be signalled, WaitTimeout when it
    has not ended after ``within`` seconds.
    """
    if not send(agent.identity, signal.SIGTERM) and _lives(agent):
        raise ConflictError(
            f"agent {agent.label} (pid {agent.pid}) was started by another user, whose processes you may not signal;"
            " stop it as that user"
        )
    try:
        await wait_gone(agent.identity, within)
    except TimeoutError:
        raise WaitTimeout(_why(agent, within)) from None


def _lives(agent: AgentFile) -> bool:
    found = look(agent.pid)
    return found is not None and found.alive and found.identity == agent.identity


def _why(agent: AgentFile, within: float) -> str:
    log = f"; its log, {agent.log}, ends with: {_last_line(Path(agent.log))}" if agent.log else ""
    return (
        f"agent {agent.label} (pid {agent.pid}) was asked to end and has not in {within:g} s:"
        f" {_state(agent.pid)}{log}\n"
        f"it may still end by itself; `kill -9 {agent.pid}` ends it at once. Either way its running tasks go on, and"
        " the next agent of this name takes them over"
    )


def _state(pid: int) -> str:
    try:
        status = psutil.Process(pid).status()
    except psutil.Error:
        return "it ends now"
    if status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
        return f"it is suspended; `kill -CONT {pid}` lets it go on, and end"
    if status == psutil.STATUS_DISK_SLEEP:
        return "it waits for a disk or a device that does not answer"
    return "it is still busy with its end, such as waiting for a server that does not answer"


def _last_line(log: Path) -> str:
    try:
        return log.read_text(errors="replace").splitlines()[-1]
    except (OSError, IndexError):
        return "(nothing)"
