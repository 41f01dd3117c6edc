"""A task's code at its place: clone of a cached mirror, exact commit, submodules, uncommitted changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from clearq.environments.commands import Call, Finished, Say, from_os_error, run
from clearq.environments.folders import inside, make_folder
from clearq.environments.gitenv import network_environ
from clearq.environments.gitfailures import apply_failure, last_line
from clearq.environments.giturls import check_address, mirror_name, strip_credentials
from clearq.environments.mirror import OPTIONS, Mirror
from clearq.errors import EnvironmentFailed
from clearq.models import Script

#: Seconds without a sign of life from the other side: before its first answer, and between two.
FETCH_SILENCE = (30.0, 120.0)


@dataclass(frozen=True)
class Checkout:
    """Brings a script's code to a folder. ``home`` holds the mirrors (``vcs/``) and ``locks/``."""

    home: Path
    silence: tuple[float, float] = FETCH_SILENCE
    _environ: dict[str, str] = field(default_factory=network_environ)

    async def checkout(self, script: Script, into: Path, say: Say) -> Path:
        """Put the code into ``into`` (made anew) and return the root of it.

        Raises EnvironmentFailed: repository not reachable, commit or branch not in it, changes that do not
        apply, no script at all, disk full.
        """
        make_folder(into)
        if script.repository:
            await self._repository(script, into, say)
        else:
            write_script(script, into, say)
        return into

    async def _repository(self, script: Script, into: Path, say: Say) -> None:
        check_address(script.repository, script.branch, script.commit)
        mirror = self._mirror(script)
        commit = await mirror.commit(script, say)
        if await self._clone(script, mirror, into, commit) is not None:
            make_folder(into)
            commit = await mirror.repair(script, say)
            if (why := await self._clone(script, mirror, into, commit)) is not None:
                url = strip_credentials(script.repository)
                raise EnvironmentFailed(f"Commit {commit[:12]} of {url} could not be checked out: {why}.")
        say(f"Checked out {commit[:12]} of {strip_credentials(script.repository)}")
        if (into / ".gitmodules").is_file():
            await self._submodules(into, say)
        if script.diff.strip():
            await self._apply(script.diff, into)
            say("Applied the uncommitted changes")

    def _mirror(self, script: Script) -> Mirror:
        name = mirror_name(script.repository)
        lock = self.home / "locks" / f"vcs-{name}.lock"
        return Mirror(self.home / "vcs" / name, lock, self._environ, self.silence)

    async def _clone(self, script: Script, mirror: Mirror, into: Path, commit: str) -> str | None:
        """A clone of its own; git's word when it fails.

        Its objects are hard links (copies, from another disk), so it outlives the mirror. It takes no lock: a
        fetch that goes on at the same moment adds and never removes.
        """
        for step in (
            ("clone", "--quiet", "--no-checkout", "--template=", "--", str(mirror.path), "."),
            ("remote", "set-url", "origin", strip_credentials(script.repository)),
            ("checkout", "--quiet", "--force", "--detach", commit),
        ):
            done = await self._git(into, *step)
            if not done.ok:
                return last_line(done)
        return None

    async def _submodules(self, into: Path, say: Say) -> None:
        say("Fetching the repository's submodules")
        done = await self._git(into, "submodule", "update", "--quiet", "--init", "--recursive")
        if not done.ok:
            raise EnvironmentFailed(
                f"The repository's submodules could not be fetched: {last_line(done)}."
                " Check the addresses in .gitmodules and this host's access to them."
            )

    async def _apply(self, diff: str, into: Path) -> None:
        patch = diff.encode("utf-8", "surrogateescape")
        if not patch.endswith(b"\n"):
            patch += b"\n"  # a text field that lost its last newline is no reason to fail
        done = await self._git(into, "apply", "--whitespace=nowarn", "--unidiff-zero", "-", stdin=patch)
        if not done.ok:
            raise apply_failure(done.stderr)

    async def _git(self, cwd: Path, *args: str, stdin: bytes = b"") -> Finished:
        return await run(Call(("git", *OPTIONS, *args), cwd, self._environ, stdin, silence=(300.0, 300.0)))


def write_script(script: Script, into: Path, say: Say) -> None:
    """Without a repository the task carries its script's text: write it down."""
    by_name = script.entry_point.startswith("-m")
    if not script.diff:
        if by_name:
            return  # a module of an installed package needs no file
        raise EnvironmentFailed("The task has neither a repository nor the text of a script: give it one of them.")
    name = script.entry_point if script.entry_point and not by_name else "script.py"
    target = inside(into, script.working_dir, name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(script.diff.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise from_os_error(error, f"Writing the task's script {name}", into) from error
    say(f"Wrote the task's script {name}")
