"""Who this machine is."""

from __future__ import annotations

import contextlib
import socket
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_MACHINE_ID = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class HostIdentity:
    """A machine as the GPU table and the leases know it."""

    name: str  #: short host name
    host_id: str  #: stable over restarts
    boot_id: str  #: changes with each boot


@cache
def this_host() -> HostIdentity:
    """The machine that this process runs on."""
    return HostIdentity(socket.gethostname().split(".")[0] or "localhost", _host_id(), _boot_id())


def _host_id() -> str:
    for path in _MACHINE_ID:
        with contextlib.suppress(OSError):
            if text := path.read_text().strip():
                return text
    return f"{uuid.uuid5(uuid.NAMESPACE_DNS, f'{socket.gethostname()}/{uuid.getnode():x}').hex}"


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    import psutil  # only here: not loaded where it is not needed

    return f"{psutil.boot_time():.0f}"
