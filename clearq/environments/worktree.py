"""Questions to a git work tree: where it comes from, at which commit, and what was changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clearq.environments.gitenv import local_environ
from clearq.environments.giturls import local_path
from clearq.errors import SpecError

#: Seconds for one question; a work tree so large that git needs more must be captured by hand.
TIMEOUT = 30.0

#: The same patch whatever the user's git configuration says.
_DIFF = (
    *("diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative", "-U3", "-M"),
    *("--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"),
    *("--ignore-submodules=dirty", "--output-indicator-new=+", "--output-indicator-old=-"),
    "--output-indicator-context= ",
)


class NotARepository(Exception):
    """The folder is in no git work tree that has a commit, or git is not installed."""


@dataclass(frozen=True)
class Source:
    """A repository's address and the commit to start from."""

    address: str
    branch: str
    commit: str
    pushed: bool  #: the address is the remote's; else it is this very folder


@dataclass(frozen=True)
class WorkTree:
    """One work tree with at least one commit."""

    root: Path
    git_dir: Path
    head: str

    @classmethod
    def of(cls, folder: Path) -> WorkTree:
        """The work tree that holds ``folder``. Raises NotARepository."""
        try:
            done = _git(folder, "rev-parse", "--show-toplevel")
            if done.returncode:
                raise NotARepository(_text(done.stderr))
            root = Path(os.fsdecode(done.stdout.removesuffix(b"\n")))
            done = _git(root, "rev-parse", "--absolute-git-dir", "--verify", "HEAD")
        except FileNotFoundError as error:
            raise NotARepository(str(error)) from error
        if done.returncode:
            raise NotARepository(_text(done.stderr))
        git_dir, _, head = os.fsdecode(done.stdout.rstrip(b"\n")).rpartition("\n")
        return cls(root, Path(git_dir), head)

    @cached_property
    def config(self) -> dict[str, str]:
        """Remotes and branches as configured; names in lower case as git gives them."""
        done = _git(self.root, "config", "-z", "--get-regexp", r"^(remote\..*\.url|branch\..*)$")
        pairs = (entry.partition("\n") for entry in os.fsdecode(done.stdout).split("\0") if entry)
        return {key: value for key, _, value in pairs}

    @cached_property
    def branch(self) -> str:
        """The branch that is checked out; empty when detached."""
        return _text(_git(self.root, "symbolic-ref", "--short", "-q", "HEAD").stdout)

    @cached_property
    def remote(self) -> str:
        """The remote of this branch, else ``origin``, else the only one, else empty."""
        names = sorted(key[7:-4] for key in self.config if key.startswith("remote."))
        tracked = self.config.get(f"branch.{self.branch}.remote", "")
        for name in (tracked, "origin"):
            if name in names:
                return name
        return names[0] if len(names) == 1 else ""

    def remote_url(self) -> str:
        """Its address; a relative folder made absolute. Empty when there is no remote."""
        url = self.config.get(f"remote.{self.remote}.url", "") if self.remote else ""
        path = local_path(url) if url and "://" not in url else None
        return str((self.root / path).resolve()) if path is not None else url

    def source(self, *, same_host: bool) -> Source:
        """Where an agent gets this code from: the remote if the commit is there, else this very folder.

        With ``same_host`` False the newest pushed commit is preferred to this folder.
        """
        url = self.remote_url()
        if url and (found := self._pushed_as()):
            return Source(url, found, self.head, pushed=True)
        if url and not same_host and (base := self._pushed_base()):
            upstream = self.config.get(f"branch.{self.branch}.merge", "").removeprefix("refs/heads/")
            return Source(url, upstream, base, pushed=True)
        return Source(str(self.root), self.branch, self.head, pushed=False)

    def _pushed_as(self) -> str | None:
        """A branch of the remote that holds HEAD, the tracked one first. None: it was not pushed."""
        prefix = f"refs/remotes/{self.remote}/"
        ask = ("for-each-ref", "--format=%(refname)", f"--contains={self.head}", prefix)
        names = _text(_git(self.root, *ask).stdout).splitlines()
        branches = [name.removeprefix(prefix) for name in names if name != f"{prefix}HEAD"]
        upstream = self.config.get(f"branch.{self.branch}.merge", "").removeprefix("refs/heads/")
        for name in (upstream, self.branch):
            if name in branches:
                return name
        return branches[0] if branches else None

    def _pushed_base(self) -> str | None:
        """The newest commit before HEAD that the remote has."""
        walk = ("rev-list", "--boundary", "HEAD", "--not", f"--remotes={self.remote}")
        lines = _text(_git(self.root, *walk).stdout).splitlines()
        return next((line[1:] for line in lines if line.startswith("-")), None)

    def diff(self, base: str, carried: Iterable[Path] = ()) -> str:
        """The patch from ``base`` to the files as they are, with ``carried`` ones that are untracked.

        Raises SpecError when it cannot be written as text.
        """
        untracked = self._untracked(carried)
        with tempfile.TemporaryDirectory(prefix="clearq-") as folder:
            environ = self._index_with(untracked, Path(folder)) if untracked else {}
            patch = self._patch(base, environ)
            try:
                return patch.decode()
            except UnicodeDecodeError:
                # Text in another encoding: as binary it travels unharmed.
                attributes = Path(folder) / "attributes"
                attributes.write_text("* -diff\n")
                patch = self._patch(base, environ, "-c", f"core.attributesFile={attributes}")
        try:
            return patch.decode()
        except UnicodeDecodeError as error:
            raise SpecError("The uncommitted changes are not UTF-8 text: commit them first.") from error

    def _patch(self, base: str, environ: dict[str, str], *options: str) -> bytes:
        done = _git(self.root, *options, *_DIFF, base, "--", environ=environ)
        if done.returncode:
            raise SpecError(f"git could not tell the uncommitted changes: {_text(done.stderr)}.")
        return done.stdout

    def _untracked(self, files: Iterable[Path]) -> list[str]:
        names = [os.path.relpath(file, self.root) for file in files]
        if not names:
            return []
        done = _git(self.root, "--literal-pathspecs", "ls-files", "-z", "--others", "--", *names)
        return [name for name in os.fsdecode(done.stdout).split("\0") if name and name in names]

    def _index_with(self, names: list[str], folder: Path) -> dict[str, str]:
        """A copy of the index in which these files are announced as new; the real one is left alone."""
        index = folder / "index"
        if (self.git_dir / "index").is_file():
            shutil.copyfile(self.git_dir / "index", index)
        environ = {"GIT_INDEX_FILE": str(index)}
        add = ("--literal-pathspecs", "add", "--intent-to-add", "--force", "--", *names)
        done = _git(self.root, *add, environ=environ)
        if done.returncode:
            raise SpecError(f"git could not read {', '.join(names[:3])}: {_text(done.stderr)}.")
        return environ


def _git(folder: Path, *args: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """One question, without locks on the user's repository. A missing git raises FileNotFoundError."""
    command = ("git", "-c", "core.safecrlf=false", "-c", "core.hooksPath=/dev/null", *args)
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=local_environ() | (environ or {}),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SpecError(
            f"git needed more than {TIMEOUT:.0f} s for 'git {args[0]}' in {folder}:"
            " check the disk, or name repository and commit yourself."
        ) from error


def _text(data: bytes) -> str:
    return os.fsdecode(data).strip()
