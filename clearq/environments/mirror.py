"""One bare copy of each repository on this host, fetched only when something is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clearq.environments.commands import Call, Finished, Say, run
from clearq.environments.folders import make_folder
from clearq.environments.gitenv import SSH
from clearq.environments.gitfailures import fetch_failure
from clearq.environments.giturls import local_path, strip_credentials
from clearq.environments.locks import FileLock
from clearq.errors import EnvironmentFailed
from clearq.models import Script

#: Each fetch leaves one pack; from so many on they are merged.
MANY_PACKS = 50

#: Said before every git command. Objects are never pruned: commits that no branch holds any more stay.
OPTIONS = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false", "-c", "core.fsmonitor=false"),
    *("-c", "fetch.unpackLimit=1", "-c", "gc.auto=0", "-c", "maintenance.auto=false"),
    *("-c", "advice.detachedHead=false"),
)

_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_DAMAGED = re.compile(r"corrupt|bad object|is empty|unable to read|garbage|\.lock': File exists")


@dataclass(frozen=True)
class Mirror:
    """The mirror of one repository. ``silence`` bounds the waiting for the other side (seconds)."""

    path: Path
    lock_path: Path
    environ: Mapping[str, str]
    silence: tuple[float, float]

    async def commit(self, script: Script, say: Say) -> str:
        """The full id of the commit that ``script`` names, fetched if need be.

        A commit that is here costs no look at the repository; a branch's head must always be asked for.
        Raises EnvironmentFailed: not reachable, no such commit or branch.
        """
        if found := await self._present(script):
            return found
        with FileLock(self.lock_path) as lock:
            await lock.acquire()
            if found := await self._present(script):
                return found  # another attempt fetched it while this one waited
            return await self._fetched(script, say)

    async def repair(self, script: Script, say: Say) -> str:
        """After a clone from it failed: wait for a fetch that went on, and fetch anew what is damaged."""
        with FileLock(self.lock_path) as lock:
            await lock.acquire()
            whole = await self._git("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
            if not whole.ok:
                say("The mirror of the repository is damaged: fetching it anew")
                make_folder(self.path)
            return await self._present(script) or await self._fetched(script, say)

    async def _present(self, script: Script) -> str | None:
        return await self._resolve(script.commit) if _COMMIT.fullmatch(script.commit) else None

    async def _resolve(self, name: str) -> str | None:
        if not (self.path / "HEAD").is_file():
            return None
        done = await self._git("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}")
        return done.stdout.decode().strip() if done.ok else None

    async def _fetched(self, script: Script, say: Say) -> str:
        await self._fetch(script, say)
        for name in _names(script):
            if found := await self._resolve(name):
                return found
        if len(script.commit) >= 40 and await self._fetch_one(script):
            return script.commit
        where = strip_credentials(script.repository)
        if script.commit:
            raise EnvironmentFailed(
                f"Commit {script.commit} is not in {where}: push it there, or give the task another commit."
            )
        raise EnvironmentFailed(
            f"Branch {script.branch!r} is not in {where}: push it there, or give the task another branch."
            if script.branch
            else f"{where} has no commit yet: push one and enqueue the task again."
        )

    async def _fetch(self, script: Script, say: Say) -> None:
        say(f"Fetching {strip_credentials(script.repository)}")
        refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        if not script.commit and not script.branch:
            refs.append("+HEAD:refs/clearq/head")
        fetch = ("fetch", "--progress", "--force", "--prune", "--no-recurse-submodules", "--")
        await self._make()
        done = await self._ask(*fetch, _address(script.repository), *refs)
        if not done.ok and _DAMAGED.search(done.stderr):
            # A fetch that was killed leaves locks, a power cut leaves empty files.
            make_folder(self.path)
            await self._make()
            done = await self._ask(*fetch, _address(script.repository), *refs)
        if not done.ok:
            raise fetch_failure(script.repository, done)
        if len(list((self.path / "objects" / "pack").glob("*.pack"))) > MANY_PACKS:
            await self._git("repack", "-d", "--geometric=2", "--quiet")

    async def _make(self) -> None:
        if (self.path / "HEAD").is_file():
            return
        make_folder(self.path)
        done = await self._git("init", "--quiet", "--bare", "--template=", ".")
        if not done.ok:
            raise EnvironmentFailed(f"The mirror {self.path} could not be made: {done.stderr.strip()}")

    async def _fetch_one(self, script: Script) -> bool:
        """Ask for a commit that no branch or tag reaches; many servers give it."""
        fetch = ("fetch", "--no-recurse-submodules", "--", _address(script.repository), script.commit)
        return (await self._ask(*fetch)).ok

    async def _ask(self, *args: str) -> Finished:
        """Speak to the other side: over ssh with the host's own command for it, else with one that cannot hang."""
        if {"GIT_SSH_COMMAND", "GIT_SSH"}.isdisjoint(self.environ):
            own = await self._git("config", "--get", "core.sshCommand")
            if not own.ok:
                return await self._git(*args, environ={**self.environ, "GIT_SSH_COMMAND": SSH})
        return await self._git(*args)

    async def _git(self, *args: str, environ: Mapping[str, str] | None = None) -> Finished:
        call = Call(("git", *OPTIONS, *args), self.path, environ or self.environ, silence=self.silence)
        return await run(call)


def _address(repository: str) -> str:
    path = local_path(repository)
    return repository if path is None else str(path)


def _names(script: Script) -> list[str]:
    """What git may call the wanted commit, in the mirror."""
    if script.commit:
        return [script.commit]
    if not script.branch:
        return ["refs/clearq/head"]
    short = script.branch.removeprefix("refs/heads/").removeprefix("origin/")
    return [f"refs/heads/{script.branch}", f"refs/heads/{short}", f"refs/tags/{script.branch}"]
