"""Record the code of a directory as a :class:`~clearq.models.Script`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clearq.environments.giturls import strip_credentials
from clearq.environments.imports import find_module, scan
from clearq.environments.packages import repository_roots
from clearq.environments.worktree import NotARepository, WorkTree
from clearq.errors import SpecError
from clearq.models import Script

#: Bytes of uncommitted changes, or of a script outside git, that travel with a task.
MAX_DIFF = 500_000

Warn = Callable[[str], None]


@dataclass(frozen=True)
class _Entry:
    """What is to be run: a file, or a module by name, as seen from the working directory."""

    directory: Path
    file: Path | None  #: None: an installed module, or nothing
    module: str = ""

    @property
    def place(self) -> Path:
        """The folder whose repository is meant."""
        return self.file.parent if self.file is not None else self.directory


def capture(
    directory: Path,
    entry_script: str | Path | None,
    *,
    same_host: bool = True,
    warn: Warn | None = None,
) -> Script:
    """Repository, branch, commit, uncommitted diff, entry point and working directory of ``entry_script``.

    ``entry_script`` is a path (relative to ``directory``, the working directory) or ``"-m module"``; ``None``
    where there is none (an interactive session). An untracked entry script, and untracked modules of the
    repository that it imports, travel in the diff as new files. Outside git the script's whole text is the
    diff. ``same_host=False`` says that agents elsewhere must be able to run it: a commit that was not pushed
    is then recorded as a diff from the newest pushed one; with ``True`` the repository's local path is
    recorded. ``requirements`` stays ``None``: see :func:`clearq.environments.packages.capture_requirements`.

    Raises :class:`~clearq.errors.SpecError` when the changes are more than may travel with a task (500 kB).
    ``warn`` gets one sentence for each thing that will not be as here when the task runs elsewhere.
    """
    tell: Warn = warn or (lambda sentence: None)
    entry = _entry(directory, entry_script)
    try:
        tree = WorkTree.of(entry.place)
    except NotARepository:
        return _alone(entry, tell)
    return _in_repository(entry, tree, same_host, tell)


def entry_file(directory: Path, entry_script: str | Path) -> Path | None:
    """The file that ``entry_script`` (as for :func:`capture`) starts; None for an installed module."""
    return _entry(directory, entry_script).file


def _entry(directory: Path, entry_script: str | Path | None) -> _Entry:
    directory = directory.resolve()
    if entry_script is None:
        return _Entry(directory, None)
    text = str(entry_script)
    if text.startswith("-m"):
        module = text[2:].strip()
        return _Entry(directory, find_module(module.split()[0] if module else "", [directory]), module)
    path = directory / text
    return _Entry(directory, path.parent.resolve() / path.name)  # a link stays in the folder where it lies


def _in_repository(entry: _Entry, tree: WorkTree, same_host: bool, tell: Warn) -> Script:
    working, entry_point = _places(entry, tree, tell)
    source = tree.source(same_host=same_host)
    if not source.pushed and not same_host:
        tell("No commit of this repository was pushed: only agents on this very host can run the task.")
    elif not source.pushed and tree.remote_url():
        tell(
            f"Commit {source.commit[:12]} is not pushed: the task names this folder instead of the remote,"
            " so only agents on this very host can run it."
        )
    diff = tree.diff(source.commit, _own_files(entry, tree))
    if len(diff.encode()) > MAX_DIFF:
        raise SpecError(
            f"The changes since the {'last' if same_host else 'last pushed'} commit are"
            f" {len(diff.encode()) // 1000} kB, and {MAX_DIFF // 1000} kB may travel with a task:"
            " commit (and push) them, or keep large files out of git."
        )
    return Script(
        repository=strip_credentials(source.address),
        branch=source.branch,
        commit=source.commit,
        diff=diff,
        entry_point=entry_point,
        working_dir=working,
    )


def _places(entry: _Entry, tree: WorkTree, tell: Warn) -> tuple[str, str]:
    """Working directory from the repository's root, and entry point from there."""
    cwd = entry.directory
    if cwd != tree.root and tree.root not in cwd.parents:
        tell(f"The working directory {cwd} is outside the script's repository: the task runs in its root.")
        cwd = tree.root
    working = "" if cwd == tree.root else cwd.relative_to(tree.root).as_posix()
    if entry.module:
        return working, f"-m {entry.module}"
    return working, "" if entry.file is None else Path(os.path.relpath(entry.file, cwd)).as_posix()


def _own_files(entry: _Entry, tree: WorkTree) -> Iterable[Path]:
    """The entry script and the repository's modules that it imports."""
    if entry.file is None:
        return ()
    files = scan(entry.file, (*repository_roots(tree.root), entry.directory)).files
    return [file for file in files if tree.root in file.parents]


def _alone(entry: _Entry, tell: Warn) -> Script:
    """Outside git one file travels, as text."""
    if entry.file is None:
        return Script(entry_point=f"-m {entry.module}" if entry.module else "")
    others = [file for file in scan(entry.file, (entry.directory,)).files if file != entry.file]
    if others:
        names = ", ".join(sorted({file.name for file in others})[:5])
        tell(
            f"{entry.file.name} is not in a git repository, so it travels alone: {names} stays here."
            " Run 'git init' and commit them together."
        )
    data = _read(entry.file)
    if len(data) > MAX_DIFF:
        raise SpecError(
            f"{entry.file.name} has {len(data) // 1000} kB, and {MAX_DIFF // 1000} kB may travel with a task:"
            " put it into a git repository."
        )
    try:
        return Script(diff=data.decode(), entry_point=entry.file.name)
    except UnicodeDecodeError as error:
        raise SpecError(f"{entry.file.name} is not UTF-8: save it so, or put it into a git repository.") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SpecError(f"The script {file} cannot be read: {error.strerror}.") from error
