"""Which task the last run of a script made, so that the next run can use it again (``reuse_last_task_id``).

One small file for each project, task name and script under ``<home>/sessions``; no network is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

#: Seconds for which a task is used again (ClearML's 72 hours).
REUSE_WINDOW = 72 * 3600.0


@dataclass(frozen=True)
class Session:
    """What is known of the last run."""

    task_id: str
    pid: int
    at: float
    kept: bool = False  #: it has artifacts, or lives on elsewhere: never to be used again


class Sessions:
    """The records of one home and one server namespace."""

    def __init__(self, home: Path, server: str) -> None:
        self._folder = home / "sessions"
        self._server = server

    def path(self, project: str, name: str, script: str) -> Path:
        """The file of these names."""
        text = "\0".join((self._server, project, name, script))
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"

    def last(self, path: Path, now: float | None = None) -> str | None:
        """Id of the task that may be used again, or ``None``."""
        session = self._read(path)
        if session is None or session.kept or (session.pid != os.getpid() and alive(session.pid)):
            return None
        age = (time.time() if now is None else now) - session.at
        return session.task_id if age < REUSE_WINDOW else None

    def newest(self, path: Path) -> str | None:
        """Id of the last run's task, whatever became of it."""
        session = self._read(path)
        return session.task_id if session else None

    def remember(self, path: Path, task_id: str, *, kept: bool = False) -> None:
        """Note the task of this run. A home that cannot be written only means that nothing is used again."""
        session = Session(task_id=task_id, pid=os.getpid(), at=time.time(), kept=kept)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
                json.dump(asdict(session), file)
            Path(file.name).replace(path)
        except OSError:
            return

    @staticmethod
    def _read(path: Path) -> Session | None:
        try:
            return Session(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def alive(pid: int) -> bool:
    """Is there a process of this number?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
