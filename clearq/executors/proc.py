"""The host's process table: who is whose child, in which session, carrying which attempt marker."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NamedTuple

#: Environment variable that names the attempt: ``<task id>.<claims>``.
MARKER = "CLEARQ_MARKER"

LINUX = sys.platform == "linux"


class Identity(NamedTuple):
    """A process, told apart from a later one with the same pid."""

    pid: int
    started: int  #: Linux: clock ticks since boot; else hundredths of a second since the epoch


class Process(NamedTuple):
    """One line of the process table."""

    pid: int
    started: int
    parent: int
    group: int
    session: int
    alive: bool  #: no zombie

    @property
    def identity(self) -> Identity:
        """What tells it apart from a later process with the same pid."""
        return Identity(self.pid, self.started)


def table() -> dict[int, Process]:
    """All processes that this one can see, zombies included."""
    if LINUX:
        pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    else:
        import psutil  # here and below: not loaded where it is not needed, so that a supervisor starts fast

        pids = psutil.pids()
    return {process.pid: process for pid in pids if (process := look(pid)) is not None}


def look(pid: int) -> Process | None:
    """The process with this pid, or None when there is none."""
    if not LINUX:
        return _look_elsewhere(pid)
    try:
        stat = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()
    if len(fields) < 20:
        return None
    # A leader whose other threads still run shows as a zombie too.
    alive = fields[0] not in (b"Z", b"X") or int(fields[17]) > 1
    return Process(pid, int(fields[19]), int(fields[1]), int(fields[2]), int(fields[3]), alive)


def _look_elsewhere(pid: int) -> Process | None:
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            started = int(process.create_time() * 100)
            alive = process.status() != psutil.STATUS_ZOMBIE
            return Process(pid, started, process.ppid(), os.getpgid(pid), os.getsid(pid), alive)
    except (psutil.Error, OSError):
        return None


def marker_of(pid: int) -> str | None:
    """The attempt marker that the process was started with; None when it has none or may not be read."""
    if not LINUX:
        return _marker_elsewhere(pid)
    try:
        environ = _read(f"/proc/{pid}/environ")
    except OSError:
        return None
    head = f"{MARKER}=".encode()
    if head not in environ:
        return None
    for entry in environ.split(b"\0"):
        if entry.startswith(head):
            return entry[len(head) :].decode(errors="replace")
    return None


def _marker_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        return psutil.Process(pid).environ().get(MARKER)
    except (psutil.Error, OSError):
        return None


def children() -> list[int]:
    """Pids of this process's own children, adopted ones and zombies included."""
    if not os.access(f"/proc/self/task/{os.getpid()}/children", os.R_OK):
        me = os.getpid()  # no /proc, or a kernel without this file
        return [process.pid for process in table().values() if process.parent == me]
    found: list[int] = []
    for thread in os.scandir("/proc/self/task"):
        with contextlib.suppress(OSError):  # the thread has just ended
            found += map(int, _read(f"/proc/self/task/{thread.name}/children").split())
    return found


def catches(pid: int, number: int) -> bool:
    """Has the process a handler of its own for this signal? False where that cannot be known."""
    if not LINUX:
        return False
    try:
        status = _read(f"/proc/{pid}/status")
    except OSError:
        return False
    _, _, rest = status.partition(b"SigCgt:")
    mask = rest.partition(b"\n")[0].strip()
    return bool(mask) and bool(int(mask, 16) >> (number - 1) & 1)


def program(pid: int) -> str:
    """File name of the program that the process runs; empty where that cannot be known."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))  # noqa: PTH115, PTH119  (may not exist)
    except OSError:
        return ""


def send(identity: Identity, number: int) -> bool:
    """Signal exactly this process, never a later one with its pid. False: gone, or not ours to signal."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):  # macOS, Linux before 5.3, out of descriptors
        return _is(identity) and _kill(identity.pid, number)
    try:
        if not _is(identity):
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _is(identity: Identity) -> bool:
    process = look(identity.pid)
    return process is not None and process.started == identity.started


def _kill(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


def _read(path: str) -> bytes:
    """The whole of a file of /proc, without the cost of a file object: this runs for every process."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(handle, 65_536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(handle)
