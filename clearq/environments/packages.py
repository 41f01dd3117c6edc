"""Record the packages that a script imports, without importing any of it."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

from clearq.environments.giturls import strip_credentials
from clearq.environments.imports import scan

#: Names that never need a package: the standard library, and what a script calls itself.
_OWN = sys.stdlib_module_names | {"__main__", "__future__"}


def capture_requirements(entry_script: Path, roots: Sequence[Path] = ()) -> str:
    """Requirement lines (``name==version``) of what ``entry_script`` and the local modules it imports use.

    ``roots`` are further folders of local modules (the repository's root, the working directory). The text is
    never empty: it starts with a comment that names the Python version. A package that was installed from a
    local folder cannot travel and is only noted as a comment.
    """
    names = {name for name in scan(entry_script, roots).names if name.partition(".")[0] not in _OWN}
    own = {name for name in names if name.partition(".")[0] == "clearq"}
    lines = {requirement(owner) for owner in owners(names - own)} | ({"clearq"} if own else set())
    header = f"# Python {platform.python_version()}: packages imported by {entry_script.name}"
    ordered = sorted(lines, key=lambda line: (line.startswith("#"), line.lower()))
    return "\n".join([header.replace("\n", " "), *ordered]) + "\n"


def requirement(owner: Distribution) -> str:
    """The line that installs this very distribution elsewhere."""
    name, version = owner.metadata["Name"], owner.version
    origin = _origin(owner)
    url = strip_credentials(str(origin.get("url", "")))
    if vcs := origin.get("vcs_info"):
        return f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}"
    if url.startswith("file:"):
        # A wheel from a file is most often on the index as well; a folder never is.
        if "dir_info" in origin:
            return f"# {name}=={version} is installed here from a local folder: it does not travel with the task"
    elif url:
        return f"{name} @ {url}"
    # A local version such as 2.4.0+cu121 is this machine's build of 2.4.0; no index has it.
    return f"{name}=={version.partition('+')[0]}"


def owners(names: Iterable[str]) -> list[Distribution]:
    """The installed distributions that provide these dotted modules; unknown modules are left out."""
    by_top: dict[str, set[str]] = {}
    for name in names:
        by_top.setdefault(name.partition(".")[0], set()).add(name)
    found: dict[str, Distribution] = {}
    unknown = dict(by_top)
    for top in by_top:
        if (guess := _named_like(top)) is not None:
            found[_normal(guess.metadata["Name"])] = guess
            del unknown[top]
    for top, candidates in _search(unknown).items():
        for each in _narrow(candidates, by_top[top]):
            found[_normal(each.metadata["Name"])] = each
    return [found[key] for key in sorted(found)]


def _named_like(top: str) -> Distribution | None:
    """The common case, at the price of one look: the distribution is called like its module."""
    try:
        guess = distribution(top)
    except (PackageNotFoundError, ValueError):
        return None
    if "dir_info" in _origin(guess):
        return guess  # a folder's files are not listed
    # ``top/__init__.py`` or ``top.py``; a namespace package has neither and is shared with others.
    mine = rf"(?m)^{re.escape(top)}(?:/__init__)?\.[^/\n]*(?:py|so|pyd)\b"
    return guess if re.search(mine, _listing(guess)) else None


def _search(unknown: dict[str, set[str]]) -> dict[str, list[Distribution]]:
    found: dict[str, list[Distribution]] = {}
    if not unknown:
        return found
    for owner in distributions():
        for top in unknown.keys() & _tops(owner):
            found.setdefault(top, []).append(owner)
    return found


def _narrow(candidates: list[Distribution], names: set[str]) -> Iterator[Distribution]:
    """Of several owners of a namespace (``google``), those that hold what is imported."""
    # One that lies further down the path is hidden by its namesake before it.
    candidates = list({_normal(each.metadata["Name"] or ""): each for each in reversed(candidates)}.values())
    if len(candidates) == 1:
        yield candidates[0]
        return
    holders = [each for each in candidates if any(_holds(_listing(each), name) for name in names)]
    yield from holders or candidates


def _holds(listing: str, name: str) -> bool:
    path = name.replace(".", "/")
    if "/" not in path:
        return f"\n{path}/__init__.py" in "\n" + listing
    parent = path.rpartition("/")[0]
    return any(
        "/" in each and (f"\n{each}/__init__.py" in "\n" + listing or f"\n{each}.py" in "\n" + listing)
        for each in (path, parent)
    )


def _tops(owner: Distribution) -> set[str]:
    """Top-level modules of a distribution."""
    if text := owner.read_text("top_level.txt"):
        return set(text.split())
    matches = re.finditer(r"(?m)^([^/\n,.]+)(?:/[^\n,]*)?\.(?:py|so|pyd|[\w-]+\.so)(?:,|$)", _listing(owner))
    return {match[1] for match in matches}


def _listing(owner: Distribution) -> str:
    return owner.read_text("RECORD") or owner.read_text("installed-files.txt") or ""


def _origin(owner: Distribution) -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads(owner.read_text("direct_url.json") or "{}"))
    except ValueError:
        return {}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def repository_roots(root: Path) -> tuple[Path, ...]:
    """Where a repository's own modules lie: its root, and ``src`` when it has that layout."""
    source = root / "src"
    return (root, source) if source.is_dir() else (root,)
