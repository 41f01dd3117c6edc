"""The agents of this home on this host: ``<home>/agents/<name>.json`` and a lock that its agent holds.

The lock is the proof of life: the kernel lets go of it when the agent dies, however it dies. So the next agent
of that name may take the place of a dead one at once, without waiting for its heartbeat to age.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from clearq.environments.locks import FileLock
from clearq.errors import ConfigurationError
from clearq.executors.proc import Identity, look
from clearq.models.base import Frozen
from clearq.settings import Settings

#: Name under which the background services hold their place: one for each home, server and namespace.
SERVICES = "services"

#: Characters of an agent's name that its file's name shows.
LONGEST = 150


class AgentFile(Frozen):
    """An agent of this home, as it wrote itself down."""

    label: str
    worker: str = ""  #: its worker id
    pid: int = 0
    started: int = 0
    queues: tuple[str, ...] = ()
    gpus: str = ""  #: as in ``--gpus``; empty: none were asked for
    detached: bool = False
    log: str = ""

    @property
    def identity(self) -> Identity:
        """As the process table names it."""
        return Identity(self.pid, self.started)


class Registration:
    """A name that this process holds."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._path, self._lock = path, lock

    def before(self) -> AgentFile | None:
        """The agent that had the name last. It is dead, or it has ended."""
        return _read(self._path)

    def note(self, agent: AgentFile) -> None:
        """Write down who has the name now."""
        draft = self._path.with_suffix(".tmp")
        draft.touch(mode=0o600)
        draft.write_text(agent.model_dump_json())
        draft.replace(self._path)

    def close(self, *, forget: bool = False) -> None:
        """Give the name back; ``forget`` when nothing of it is left to be cleaned up."""
        if forget:
            self._path.unlink(missing_ok=True)
        self._lock.close()


class Registry:
    """The names of one home, for one server and namespace."""

    def __init__(self, settings: Settings) -> None:
        server = f"{settings.url.get_secret_value()}\n{settings.namespace}"
        self._tail = f"@{hashlib.sha256(server.encode()).hexdigest()[:8]}.json"
        self.folder = settings.home / "agents"

    def hold(self, label: str) -> Registration | None:
        """Take the name; ``None`` when a living process of this host has it. Raises ConfigurationError."""
        path = self._path(label)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(path.with_suffix(".lock"))
            return Registration(path, lock) if lock.try_acquire() else None
        except OSError as error:
            raise unusable(self.folder, error) from error

    def alive(self, label: str) -> bool:
        """Does an agent of that name live on this host?"""
        path = self._path(label).with_suffix(".lock")
        if not path.exists():
            return False
        lock = FileLock(path)
        try:
            return not lock.try_acquire(shared=True)
        finally:
            lock.close()

    def living(self) -> Iterator[AgentFile]:
        """Agents that live now."""
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self.folder.iterdir()):
                agent = _read(path) if path.name.endswith(self._tail) else None
                # In this order: a look at the lock of a dead agent could meet the next one that takes its name.
                if agent is not None and _lives(agent) and self.alive(agent.label):
                    yield agent

    def _path(self, label: str) -> Path:
        name = quote(label, safe=":,")
        if len(name) > LONGEST:  # a file's name has its limits; names that begin alike stay apart
            name = f"{name[:LONGEST]}+{hashlib.sha256(label.encode()).hexdigest()[:12]}"
        return self.folder / f"{name}{self._tail}"


def unusable(folder: Path, error: OSError) -> ConfigurationError:
    """A home in which no agent can note itself down."""
    return ConfigurationError(
        f"an agent cannot use {folder} ({error.strerror or error}): free some disk, or set CLEARQ_HOME to a folder of"
        " your own"
    )


def me(agent: AgentFile) -> AgentFile:
    """``agent`` with this process's identity."""
    process = look(os.getpid())
    return agent.model_copy(update={"pid": os.getpid(), "started": process.started if process else 0})


def _lives(agent: AgentFile) -> bool:
    process = look(agent.pid)
    return process is not None and process.identity == agent.identity


def _read(path: Path) -> AgentFile | None:
    try:
        return AgentFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
