"""An attempt's folder: ``<home>/attempts/<task id>.<claims>/``.

``claim.json`` what is to be done (0600) · ``attempt.json`` the same for the user's process, which may spoil it ·
``supervisor.json`` the process that looks after it · ``main.json`` the user's main process · ``outcome.json`` how it
ended, written last · ``supervisor.log`` · ``output.log`` the user's output · ``work/``.

``supervisor.json`` is made once and never replaced: whoever makes it owns the attempt. So a supervisor that
starts late and an agent that has given the attempt up cannot both go on.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from clearq.executors.proc import Identity, look
from clearq.models import AttemptFile, Outcome
from clearq.models.base import Frozen

T = TypeVar("T", bound=BaseModel)


class SupervisorFile(Frozen):
    """Who looks after an attempt. ``pid`` 0: nobody will, it was given up before it began."""

    pid: int
    started: int = 0  #: as in :class:`clearq.executors.proc.Identity`
    boot_id: str = ""


class MainFile(Frozen):
    """The user's main process: leader of the attempt's session."""

    pid: int
    started: int | None = None


@dataclass(frozen=True)
class AttemptFolder:
    """One attempt's folder."""

    path: Path

    @classmethod
    def make(cls, home: Path, attempt: AttemptFile) -> AttemptFolder:
        """A fresh folder with its ``claim.json`` and ``attempt.json``, or none at all. Raises OSError."""
        folder = cls(home / "attempts" / attempt.marker)
        if folder.path.exists():
            folder.remove()
        try:
            folder.work.mkdir(parents=True, mode=0o700)
            folder.path.chmod(0o700)
            _write(folder.description, attempt)
            _write(folder.path / "claim.json", attempt)
        except OSError:
            folder.remove()
            raise
        return folder

    @classmethod
    def all(cls, home: Path) -> Iterator[AttemptFolder]:
        """Every attempt's folder under ``home``."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for path in sorted((home / "attempts").iterdir()):
                if (path / "claim.json").exists():
                    yield cls(path)

    @property
    def marker(self) -> str:
        """``<task id>.<claims>``."""
        return self.path.name

    @property
    def description(self) -> Path:
        """``attempt.json``."""
        return self.path / "attempt.json"

    @property
    def work(self) -> Path:
        """Where the code is checked out."""
        return self.path / "work"

    @property
    def output(self) -> Path:
        """The whole output of the user's processes."""
        return self.path / "output.log"

    def attempt(self) -> AttemptFile | None:
        """What is to be done; ``None`` when it cannot be read."""
        return _read(self.path / "claim.json", AttemptFile)

    def supervisor(self) -> SupervisorFile | None:
        """Who looks after it; ``None`` while nobody does."""
        return _read(self.path / "supervisor.json", SupervisorFile)

    def main(self) -> MainFile | None:
        """The user's main process, once there is one."""
        return _read(self.path / "main.json", MainFile)

    def outcome(self) -> Outcome | None:
        """How it ended; ``None`` while it has not, or when its supervisor died before it could say."""
        return _read(self.path / "outcome.json", Outcome)

    def own(self, boot_id: str) -> bool:
        """Become its supervisor. False: somebody else is, or it was given up."""
        me = look(os.getpid())
        started = me.started if me else 0
        return self._claim(SupervisorFile(pid=os.getpid(), started=started, boot_id=boot_id))

    def give_up(self) -> bool:
        """Make sure that no supervisor begins any more. False: one has begun."""
        return self._claim(SupervisorFile(pid=0))

    def note_main(self, main: MainFile) -> None:
        """Note the user's main process, so that its tree can be ended when the supervisor is gone."""
        _write(self.path / "main.json", main)

    def note_outcome(self, outcome: Outcome) -> None:
        """Write the end down. Nothing follows it."""
        _write(self.path / "outcome.json", outcome)

    def remove(self) -> None:
        """Delete all of it. What cannot be deleted stays (a file of another user in ``work``)."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _claim(self, owner: SupervisorFile) -> bool:
        draft = _draft(self.path / "supervisor.json", owner)
        try:
            os.link(draft, self.path / "supervisor.json")
        except FileExistsError:
            return False
        finally:
            draft.unlink(missing_ok=True)
        return True


def alive(supervisor: SupervisorFile, boot_id: str) -> bool:
    """Does that very process still live?"""
    if not supervisor.pid or supervisor.boot_id != boot_id:
        return False
    process = look(supervisor.pid)
    return process is not None and process.alive and process.identity == identity(supervisor)


def identity(supervisor: SupervisorFile) -> Identity:
    """As the process table names it."""
    return Identity(supervisor.pid, supervisor.started)


def _write(path: Path, value: BaseModel) -> None:
    """All or nothing: a reader sees the old file or the whole new one."""
    _draft(path, value).replace(path)


def _draft(path: Path, value: BaseModel) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  (a descriptor)
        file.write(value.model_dump_json())
    return draft


def _read(path: Path, model: type[T]) -> T | None:
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
