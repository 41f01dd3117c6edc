"""The bench's own server, and what it says of itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.support.valkey import ValkeyProcess

#: The bench's own questions are not the peers' commands.
_OURS = ("info", "flushall", "config", "hello", "auth", "client", "ping", "dbsize")


@dataclass(frozen=True)
class Used:
    """What the server has done since it began."""

    commands: int  #: those inside scripts and transactions included
    cpu: float  #: seconds
    memory: int  #: bytes

    def __sub__(self, other: Used) -> Used:
        return Used(self.commands - other.commands, self.cpu - other.cpu, self.memory - other.memory)


class Server:
    """Loopback port, password, no persistence."""

    def __init__(self, process: ValkeyProcess) -> None:
        self.url = process.tcp_url
        self._redis: Any = redis.Redis(unix_socket_path=str(process.socket), password=process.password)

    @property
    def version(self) -> str:
        """Of Valkey or Redis."""
        info = self._redis.info("server")
        return f"{info.get('server_name', 'redis')} {info.get('valkey_version') or info['redis_version']}"

    def flush(self) -> None:
        """Forget everything."""
        self._redis.flushall()

    def used(self) -> Used:
        """Until now."""
        stats = self._redis.info("commandstats")
        calls = sum(
            int(each["calls"])
            for name, each in stats.items()
            if name.removeprefix("cmdstat_").partition("|")[0] not in _OURS
        )
        cpu = self._redis.info("cpu")
        memory = int(self._redis.info("memory")["used_memory"])
        return Used(calls, cpu["used_cpu_user"] + cpu["used_cpu_sys"], memory)


@contextmanager
def server() -> Iterator[Server]:
    """Start one; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="clearq-bench-"))
    process = ValkeyProcess(folder / "s", options=("--appendonly", "no"))
    process.start()
    try:
        yield Server(process)
    finally:
        process.stop()
        shutil.rmtree(folder, ignore_errors=True)
