"""Looks after the supervisors of this host: starts them, adopts them, and cleans up behind those that died.

An agent watches the attempts that it started, and those of its home whose agent is dead. Several agents may
watch one attempt: every step is fenced, so a second one changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from clearq.agent.aftermath import Aftermath
from clearq.agent.folders import AttemptFolder, alive, identity
from clearq.agent.gpu_locks import GpuLocks
from clearq.agent.nursery import Nursery
from clearq.agent.watch import wait_gone
from clearq.executors.proc import look
from clearq.models import AttemptFile
from clearq.periodic import end_tasks
from clearq.settings import Settings

log = logging.getLogger("clearq.agent")


@dataclass(frozen=True)
class Watched:
    """An attempt whose supervisor is watched."""

    attempt: AttemptFile
    folder: AttemptFolder
    mine: bool  #: it takes room of this agent
    pid: int = 0  #: of its supervisor, when this agent started it
    locks: GpuLocks | None = None


@dataclass
class Keeper:
    """All attempts that this agent watches. ``changed`` is called whenever one has ended."""

    settings: Settings
    boot_id: str
    aftermath: Aftermath
    changed: Callable[[], None]
    watched: dict[str, Watched] = field(default_factory=dict)
    _launching: set[str] = field(default_factory=set)
    _jobs: set[asyncio.Task[None]] = field(default_factory=set)
    _nursery: Nursery = field(default_factory=Nursery)

    @property
    def mine(self) -> list[Watched]:
        """Attempts that take room of this agent."""
        return [watched for watched in self.watched.values() if watched.mine]

    @property
    def gpus(self) -> frozenset[str]:
        """Cards on which attempts of this agent run."""
        return frozenset(uuid for watched in self.mine for uuid in watched.attempt.gpus)

    def warm_up(self) -> None:
        """Be ready to start supervisors fast."""
        self._nursery.warm_up()

    async def launch(self, attempt: AttemptFile, locks: GpuLocks | None = None) -> AttemptFolder:
        """Start a supervisor for an attempt that was claimed; it gets a copy of the GPU locks. Raises OSError."""
        self._launching.add(attempt.marker)  # its folder will be there, yet nobody may adopt it
        try:
            folder = AttemptFolder.make(self.settings.home, attempt)
            pid = await self._begin(folder, locks)
        finally:
            self._launching.discard(attempt.marker)
        self._watch(Watched(attempt, folder, mine=True, pid=pid, locks=locks))
        return folder

    async def _begin(self, folder: AttemptFolder, locks: GpuLocks | None) -> int:
        try:
            return await self._nursery.start(folder.path, locks.descriptors if locks else ())
        except OSError:
            folder.give_up()
            folder.remove()
            raise

    def adopt(self, label: str, owner_lives: Callable[[str], bool]) -> list[Watched]:
        """Watch attempts of this home and server whose agent is dead; answers those that are new.

        Those of an agent that had our ``label`` take room of ours.
        """
        found = []
        server = (self.settings.url.get_secret_value(), self.settings.namespace)
        for folder in AttemptFolder.all(self.settings.home):
            known = folder.marker in self.watched or folder.marker in self._launching
            attempt = None if known else folder.attempt()
            if attempt is None or (attempt.url, attempt.namespace) != server:
                continue
            owner = attempt.agent.rpartition(".")[0]
            if owner == label or not owner_lives(owner):
                found.append(Watched(attempt, folder, mine=owner == label))
                self._watch(found[-1])
        return found

    async def close(self) -> list[Watched]:
        """Stop watching; the supervisors go on. Answers this agent's attempts that do."""
        await asyncio.to_thread(self._nursery.close)
        going_on = [watched for watched in self.mine if watched.folder.outcome() is None]
        await end_tasks(*self._jobs)
        return going_on

    def _watch(self, watched: Watched) -> None:
        self.watched[watched.folder.marker] = watched
        job = asyncio.create_task(self._look_after(watched), name=f"watch {watched.folder.marker}")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _look_after(self, watched: Watched) -> None:
        """Until the supervisor has ended; then clean up behind it and free its room."""
        try:
            how = await self._gone(watched)
            await self.aftermath.settle(watched.attempt, watched.folder, how, watched.locks)
        except Exception:
            log.exception("attempt %s could not be cleaned up", watched.folder.marker)
        finally:
            del self.watched[watched.folder.marker]
            self.changed()

    async def _gone(self, watched: Watched) -> str:
        """Until nobody looks after the attempt any more; proof of it, or empty when nobody ever did."""
        folder = watched.folder
        if watched.pid and (process := look(watched.pid)) is not None:
            await wait_gone(process.identity)
        while (supervisor := folder.supervisor()) is None:
            if folder.give_up():
                return "its supervisor died before it began" if watched.pid else ""
        if not supervisor.pid:
            return ""
        if supervisor.boot_id != self.boot_id:
            return "its host was restarted"
        if alive(supervisor, self.boot_id):
            await wait_gone(identity(supervisor))
        return f"its supervisor (pid {supervisor.pid}) died"
