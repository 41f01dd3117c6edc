"""Environments that are made once for equal packages, shared, never changed, and evicted when least used."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import shutil
import sys
import sysconfig
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clearq.environments import uv
from clearq.environments.commands import Say, from_os_error
from clearq.environments.locks import FileLock
from clearq.environments.python import Interpreter
from clearq.environments.requirementlines import names_clearq
from clearq.environments.requirements import Requirements

#: Written last: an environment without it is a half-made one. Its time is that of the last use.
COMPLETE = ".complete"


@dataclass(frozen=True)
class Environment:
    """An interpreter with packages. While it is held no one evicts it; the kernel lets go for a dead process."""

    python: Path
    cached: bool  #: it was there already
    lock: FileLock | None = None  #: None: made for this attempt alone

    def close(self) -> None:
        """Let it go."""
        if self.lock is not None:
            self.lock.close()


@dataclass(frozen=True)
class EnvironmentCache:
    """Environments below ``home/environments``. ``free_gb`` 0 or less: the disk is not looked at."""

    home: Path
    max_entries: int = 10
    free_gb: float = 2.0

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.home / "environments"

    async def ensure(self, requirements: Requirements, python: Interpreter, private: Path, say: Say) -> Environment:
        """The environment for these packages; made when there is none, by one process for all that ask.

        ``private`` is the folder for one that cannot be shared: the list names local files, or the disk is
        nearly full. Raises EnvironmentFailed with uv's reason.
        """
        try:
            if not requirements.shareable:
                say("The packages include a local folder or file: their environment is not shared")
                return await self._alone(requirements, python, private, say)
            if (found := await self._shared(requirements, python, say)) is not None:
                return found
            say(f"Less than {self.free_gb:g} GB are free on this disk: the environment is not kept")
            return await self._alone(requirements, python, private, say)
        except OSError as error:
            raise from_os_error(error, "Making the task's environment", self.folder) from error

    async def _alone(self, requirements: Requirements, python: Interpreter, private: Path, say: Say) -> Environment:
        return Environment(await self._build(private, requirements, python, say), cached=False)

    async def _shared(self, requirements: Requirements, python: Interpreter, say: Say) -> Environment | None:
        """None: it would have to be made, and the disk is too full."""
        name = environment_key(requirements, python.version)
        prefix, lock = self.folder / name, self._lock(name)
        told = False
        while True:
            if _complete(prefix):
                if lock.try_acquire(shared=True) and _complete(prefix):
                    os.utime(prefix / COMPLETE)
                    return Environment(prefix / "bin" / "python", cached=True, lock=lock)
            elif lock.try_acquire():
                break
            elif not told:
                say("Another attempt is making this environment: waiting for it")
                told = True
            await asyncio.sleep(0.05)
        try:
            return await self._make(prefix, lock, requirements, python, say)
        except BaseException:
            lock.close()
            raise

    async def _make(
        self, prefix: Path, lock: FileLock, requirements: Requirements, python: Interpreter, say: Say
    ) -> Environment | None:
        """Holds the exclusive lock: make it, and go on with a shared one."""
        if not _complete(prefix):
            if self._disk_is_full():
                lock.close()
                return None
            await self._build(prefix, requirements, python, say)
            made = {"lines": list(requirements.lines), "source": requirements.source, "python": python.version}
            (prefix / COMPLETE).write_text(json.dumps(made))
        # The kernel may let others in between the two kinds of lock, so it is looked at once more.
        if not lock.try_acquire(shared=True) or not _complete(prefix):
            lock.close()
            return await self._shared(requirements, python, say)
        self.evict()
        return Environment(prefix / "bin" / "python", cached=False, lock=lock)

    def _disk_is_full(self) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.free_gb > 0 and shutil.disk_usage(self.folder).free < self.free_gb * 1e9

    async def _build(self, prefix: Path, requirements: Requirements, python: Interpreter, say: Say) -> Path:
        """Made in its final place, because scripts in an environment hold its path."""
        _remove(prefix)
        prefix.parent.mkdir(parents=True, exist_ok=True)
        try:
            interpreter = await uv.make_venv(prefix, python.path)
            await _install(prefix, requirements, say)
        except BaseException:
            _remove(prefix)
            raise
        return interpreter

    def evict(self) -> None:
        """Remove what is left of broken builds, and the least used environments beyond ``max_entries``.

        They are gone at once by name; a thread takes them off the disk.
        """
        entries = [path for path in self.folder.iterdir() if not path.name.startswith(".")]
        whole = sorted((path for path in entries if _complete(path)), key=_last_used, reverse=True)
        broken = [path for path in entries if not _complete(path)]
        for path in [*broken, *whole[self.max_entries :]]:
            with self._lock(path.name) as lock:
                if lock.try_acquire() and (path not in broken or not _complete(path)):
                    _hide(path)
                    lock.remove()
        trash = list(self.folder.glob(".trash-*"))
        if trash:
            threading.Thread(target=_discard, args=(trash,), name="clearq-evict").start()

    def _lock(self, name: str) -> FileLock:
        return FileLock(self.home / "locks" / f"environment-{name}.lock")


def environment_key(requirements: Requirements, version: str) -> str:
    """Equal for what gives equal environments: Python, platform, packages, clearq's wheel, package index."""
    parts = [
        1,  # raise it when the way of building changes
        [platform.python_implementation(), version, sysconfig.get_platform(), sys.platform],
        requirements.key,
        uv.index_settings(),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


async def _install(prefix: Path, requirements: Requirements, say: Say) -> None:
    lines = list(requirements.lines)
    if requirements.lock is not None:
        lines = [line for line in await uv.export_lock(requirements.lock) if names_clearq(line) is None]
    if requirements.wheel is not None:
        lines.append(f"clearq{requirements.extras} @ {requirements.wheel.as_uri()}")
    if not lines:
        return
    listed = prefix / ".requirements.txt"
    listed.write_text("".join(f"{line}\n" for line in lines))
    files = ["-r", str(listed)]
    if requirements.constraints:
        bounds = prefix / ".constraints.txt"
        bounds.write_text("".join(f"{line}\n" for line in requirements.constraints))
        files += ["-c", str(bounds)]
    await uv.install(prefix, files, requirements.folder or prefix, say)


def _complete(prefix: Path) -> bool:
    """Finished, and its interpreter is still on this machine."""
    return (prefix / COMPLETE).is_file() and (prefix / "bin" / "python").exists()


def _last_used(prefix: Path) -> float:
    try:
        return (prefix / COMPLETE).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _hide(prefix: Path) -> Path | None:
    """Out of sight in one step."""
    trash = prefix.with_name(f".trash-{prefix.name}-{os.getpid()}")
    try:
        return prefix.rename(trash)
    except FileNotFoundError:
        return None


def _discard(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)


def _remove(prefix: Path) -> None:
    if (trash := _hide(prefix)) is not None:
        _discard([trash])
