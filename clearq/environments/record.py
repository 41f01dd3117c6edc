"""What of this machine travels with a task: the code, and the list of its packages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from clearq.environments.capture import capture, entry_file
from clearq.environments.imports import scan
from clearq.environments.packages import capture_requirements, repository_roots
from clearq.environments.requirements import resolve_requirements
from clearq.environments.worktree import NotARepository, WorkTree
from clearq.models import Script
from clearq.settings import Settings

Note = Callable[[str], None]


def record(here: Path, entry_point: str, *, same_host: bool, requirements: str | None = None, note: Note) -> Script:
    """The code that ``entry_point`` (a path from ``here``, or ``-m module``) runs, and its packages.

    ``requirements``: given by the user, else found out. ``note`` gets a sentence for each thing that will not be as
    here. Raises SpecError.
    """
    script = capture(here, entry_point, same_host=same_host, warn=note)
    if requirements is None:
        requirements = _packages(script, here, entry_file(here, entry_point), note)
    return script.model_copy(update={"requirements": requirements})


def is_local(settings: Settings) -> bool:
    """Do workers of this server share our file system, as far as its address tells?"""
    if settings.embedded:
        return True
    url = urlsplit(settings.url.get_secret_value())
    if url.scheme == "unix" or url.hostname in (None, "localhost"):
        return True
    try:
        return ip_address(url.hostname or "").is_loopback
    except ValueError:
        return False


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
        note(
            f"not installed here, so not listed as packages: {', '.join(missing)}; name them in a list of requirements"
        )
    return capture_requirements(file, roots)
