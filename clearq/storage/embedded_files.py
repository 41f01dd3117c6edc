"""Where the embedded server keeps its files, and who may start it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from clearq.errors import ConfigurationError, StorageUnavailable
from clearq.settings import Settings

#: A unix socket's path may have 107 bytes on Linux and 103 on macOS.
SOCKET_PATH_MAX = 100
#: File systems on which locks and sockets of one host mean nothing to another.
_SHARED = re.compile(r"nfs|cifs|smb|lustre|gpfs|beegfs|ceph|gluster|afs|sshfs", re.IGNORECASE)


@dataclass(frozen=True)
class Files:
    """The files of one embedded server: ``data`` holds what must last, ``run`` the socket and the locks."""

    data: Path
    run: Path

    @classmethod
    def of(cls, settings: Settings) -> Files:
        """Those of this user on this host. Nothing is made.

        They lie in ``<home>/server``; in a folder for each host of it when the home is shared over a network.
        The socket stands beside them unless its path would be too long or the folder is a network's.
        """
        data = settings.home / "server"
        shared = _on_network(data)
        if shared:
            data = data / os.uname().nodename
        short = Path("/tmp") / f"clearq-{os.getuid()}-{hashlib.sha256(bytes(data)).hexdigest()[:8]}"  # noqa: S108
        return cls(data, short if shared or len(bytes(data / "socket")) > SOCKET_PATH_MAX else data)

    @property
    def socket(self) -> Path:
        return self.run / "socket"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def configuration(self) -> Path:
        return self.data / "server.conf"

    @property
    def stopped(self) -> Path:
        """There when the server was stopped on purpose."""
        return self.data / "stopped"

    @property
    def append_only(self) -> Path:
        """The folder of the append-only file."""
        return self.data / "appendonlydir"

    def make(self) -> None:
        """Make the folders, for this user alone. Raises ConfigurationError when that cannot be done."""
        with explained(self.data):
            self.data.mkdir(parents=True, exist_ok=True)
            self.data.chmod(0o700)
            self.run.mkdir(mode=0o700, exist_ok=True)
        found = self.run.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise ConfigurationError(
                f"{self.run} is not a private folder of this user: remove it, or set CLEARQ_HOME to a shorter path"
            )

    def password(self) -> str:
        """The server's password; empty when none was made yet."""
        try:
            return (self.data / "password").read_text().strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise _cannot(self.data, error) from None

    def make_password(self) -> str:
        """The password, made at the first start and kept from then on."""
        if present := self.password():
            return present
        made = secrets.token_urlsafe(32)
        self.write("password", made + "\n")
        return made

    def port(self) -> int | None:
        """The loopback port of the last start."""
        try:
            found = re.search(r"^port (\d+)$", self.configuration.read_text(), re.MULTILINE)
        except OSError:
            return None
        return int(found[1]) if found else None

    def write(self, name: str, text: str) -> None:
        """Write a file of ``data`` whole, readable by this user only."""
        with explained(self.data):
            draft = self.data / f".{name}.new"
            draft.unlink(missing_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self.data / name)

    @contextmanager
    def marked_as_stopped(self) -> Iterator[None]:
        """While the server is stopped on purpose, and from then on until its next start."""
        try:
            self.write(self.stopped.name, "by `clearq down`; removed by the next start\n")
        except ConfigurationError:  # a full disk is no reason not to stop; an empty file may still find room
            with suppress(OSError):
                self.stopped.touch(mode=0o600)
        try:
            yield
        except BaseException:
            self.stopped.unlink(missing_ok=True)
            raise

    def socket_url(self, password: str) -> str:
        return f"unix://:{password}@{quote(str(self.socket))}"

    def pid(self) -> int | None:
        """The server's process: the one that its pid file names, if that is alive and works in our folder.

        A pid file left by a kill or an earlier boot may name a stranger; such a one works elsewhere.
        """
        try:
            process = psutil.Process(int((self.data / "pid").read_text()))
            if process.status() == psutil.STATUS_ZOMBIE or Path(process.cwd()) != self.data.resolve():
                return None
            return process.pid
        except (OSError, ValueError, psutil.Error):
            return None

    def occupied(self) -> bool:
        """Does a server live here? It holds a lock from before its first step until its death."""
        if self.pid() is not None:
            return True
        try:
            handle = os.open(self.run / "alive.lock", os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    @asynccontextmanager
    async def life(self) -> AsyncIterator[int]:
        """The lock that a server holds while it lives: its process inherits the descriptor."""
        async with _locked(self.run / "alive.lock", 5.0) as handle:
            yield handle

    @asynccontextmanager
    async def turn(self, timeout: float) -> AsyncIterator[None]:
        """Only one process at a time starts or stops the server."""
        async with _locked(self.run / "start.lock", timeout):
            yield


@asynccontextmanager
async def _locked(path: Path, timeout: float) -> AsyncIterator[int]:
    with explained(path.parent):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await _take(handle, path, timeout)
        yield handle
    finally:
        os.close(handle)


async def _take(handle: int, path: Path, timeout: float) -> None:
    """Lock ``handle``; polls, for a blocking flock could not be cancelled."""
    began = time.monotonic()
    while not _try(handle):
        if time.monotonic() - began > timeout:
            raise StorageUnavailable(
                f"another process has been starting or stopping the embedded server for {timeout:.0f} s"
                f" (it holds {path}); see `clearq doctor`"
            )
        await asyncio.sleep(0.02)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Failures to write below ``folder`` become a ConfigurationError that says what to do."""
    try:
        yield
    except OSError as error:
        raise _cannot(folder, error) from error


def _cannot(folder: Path, error: OSError) -> ConfigurationError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ConfigurationError(
            f"no space left for the embedded server in {folder}: free some,"
            " or set CLEARQ_HOME to a folder on another disk"
        )
    return ConfigurationError(
        f"the embedded server cannot use {folder} ({error.strerror or error}):"
        " set CLEARQ_HOME to a folder of your own, or CLEARQ_URL to a server"
    )


def _on_network(path: Path) -> bool:
    """Is ``path`` on a file system that other hosts share?"""
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return False
    kinds = {fields[1]: fields[2] for fields in (line.split() for line in mounts) if len(fields) > 2}
    resolved = Path(os.path.realpath(path))
    nearest = next((kinds[str(each)] for each in (resolved, *resolved.parents) if str(each) in kinds), "")
    return bool(_SHARED.search(nearest))
