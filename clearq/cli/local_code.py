"""What of this directory travels with a task: the code, and the list of its packages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from clearq.cli.command import PythonCommand
from clearq.environments.capture import capture, entry_file
from clearq.environments.imports import scan
from clearq.environments.packages import capture_requirements, repository_roots
from clearq.environments.requirements import resolve_requirements
from clearq.environments.worktree import NotARepository, WorkTree
from clearq.errors import UsageError
from clearq.models import Script

Note = Callable[[str], None]


def capture_here(
    command: PythonCommand, here: Path, *, same_host: bool, requirements: str | None, note: Note
) -> Script:
    """The code that ``command`` runs in ``here``. ``requirements``: given by the user, else found out.

    ``note`` gets a sentence for each thing that will not be as here. Raises UsageError, SpecError.
    """
    if not command.module and not (here / command.entry_point).is_file():
        raise UsageError(f"there is no file {command.entry_point[:200]!r} in {here}")
    script = capture(here, command.entry_point, same_host=same_host, warn=note)
    if not script.repository and script.diff:
        note(f"{script.entry_point} is in no git repository: it travels alone and starts in an empty folder")
    if requirements is None:
        requirements = _packages(script, here, entry_file(here, command.entry_point), note)
    update = {"argv": command.argv, "binary": command.binary, "requirements": requirements}
    return script.model_copy(update=update)


def _packages(script: Script, here: Path, file: Path | None, note: Note) -> str | None:
    """Lines of packages, or ``None`` where the code that travels brings its own list."""
    if file is None:
        return None
    if not script.repository:
        beside = file.parent / "requirements.txt"
        if resolve_requirements(script, file.parent).source == file.name:  # a list in the script itself
            return None
        if beside.is_file():
            return beside.read_text(encoding="utf-8", errors="replace")
        return _imported(file, (), note)
    try:
        root = WorkTree.of(file.parent).root
    except NotARepository:
        return None
    if resolve_requirements(script, root).source != "nothing":
        return None
    return _imported(file, (*repository_roots(root), here), note)


def _imported(file: Path, roots: tuple[Path, ...], note: Note) -> str:
    """The packages that the code imports, in the versions installed beside this clearq."""
    tops = {name.partition(".")[0] for name in scan(file, roots).names} - sys.stdlib_module_names
    missing = sorted(top for top in tops if find_spec(top) is None)
    if missing:
        note(f"not installed here, so not listed as packages: {', '.join(missing)}; name them with --requirements")
    return capture_requirements(file, roots)
