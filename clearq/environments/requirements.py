"""Which packages a task wants: its own list, else what its code says (rows C-008, C-009)."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clearq.environments.folders import inside
from clearq.environments.imports import scan
from clearq.environments.packages import repository_roots
from clearq.environments.requirementlines import Lines, is_local, names_clearq, read_lines
from clearq.errors import EnvironmentFailed
from clearq.models import Script

_INLINE = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


@dataclass(frozen=True)
class Requirements:
    """Packages to install. Equal values give equal environments."""

    lines: tuple[str, ...] = ()  #: without comments, includes resolved, ``clearq`` taken out
    constraints: tuple[str, ...] = ()
    source: str = "nothing"  #: where they were found, for people
    folder: Path | None = None  #: relative paths in them start here
    lock: Path | None = None  #: a ``uv.lock`` whose content ``digest`` names; ``lines`` is empty then
    digest: str = ""
    extras: str = ""  #: of clearq, such as ``[s3]``
    clearq: bool = False  #: clearq itself is wanted
    wheel: Path | None = None  #: the wheel for that

    @property
    def shareable(self) -> bool:
        """No line names a file or folder of this one attempt."""
        return not any(is_local(line) for line in (*self.lines, *self.constraints))

    def with_wheel(self, wheel: Path) -> Requirements:
        """The same, with clearq installed from ``wheel``."""
        return replace(self, wheel=wheel)

    @property
    def key(self) -> list[object]:
        """What makes two lists the same environment."""
        return [
            sorted(" ".join(line.split()) for line in self.lines),
            sorted(self.constraints),
            self.digest,
            self.wheel.name if self.wheel else "",
            self.extras,
        ]


def resolve_requirements(script: Script, checkout: Path) -> Requirements:
    """The task's own lines, else the script's inline list, ``uv.lock``, ``requirements.txt`` or ``pyproject.toml``.

    Files are looked for from the entry point's folder up to ``checkout``, the nearest first. ``clearq`` is
    added when the code imports it and no list names it. Raises EnvironmentFailed for a list that cannot be read.
    """
    cwd = inside(checkout, script.working_dir)
    by_name = not script.entry_point or script.entry_point.startswith("-m")
    entry = None if by_name else inside(checkout, script.working_dir, script.entry_point)
    found = _own(script, cwd) or _inline(entry) or _from_files(entry.parent if entry else cwd, checkout)
    found = _without_clearq(found or Requirements(folder=cwd))
    if not found.clearq and entry is not None and entry.is_file() and _imports_clearq(entry, cwd, checkout):
        found = replace(found, clearq=True)
    return found


def _own(script: Script, cwd: Path) -> Requirements | None:
    text = script.requirements
    if text is None or not text.strip():
        return None
    return _listed(read_lines(text, cwd), "the task", cwd)


def _inline(entry: Path | None) -> Requirements | None:
    """Dependencies in a comment at the script's head (PEP 723)."""
    if entry is None or not entry.is_file():
        return None
    match = _INLINE.search(entry.read_text("utf-8", "replace").replace("\r\n", "\n"))
    if match is None:
        return None
    content = "".join(line[2:] for line in match["content"].splitlines(keepends=True))
    dependencies = _parsed(content, entry.name).get("dependencies", [])
    return Requirements(tuple(dependencies), source=entry.name, folder=entry.parent)


def _from_files(start: Path, root: Path) -> Requirements | None:
    for name, reader in (("uv.lock", _lock), ("requirements.txt", _list_file), ("pyproject.toml", _project)):
        for folder in _upwards(start, root):
            if (folder / name).is_file() and (found := reader(folder / name)) is not None:
                return replace(found, source=(folder / name).relative_to(root).as_posix(), folder=folder)
    return None


def _upwards(start: Path, root: Path) -> Iterator[Path]:
    yield start
    while start != root and root in start.parents:
        start = start.parent
        yield start


def _lock(path: Path) -> Requirements | None:
    project = path.with_name("pyproject.toml")
    if not project.is_file():
        return None
    text = path.read_bytes()
    digest = hashlib.sha256(text + b"\0" + project.read_bytes()).hexdigest()
    return Requirements(lock=path, digest=digest, clearq=re.search(rb'(?m)^name = "clearq"$', text) is not None)


def _list_file(path: Path) -> Requirements:
    return _listed(read_lines(path.read_text("utf-8", "replace"), path.parent), path.name, path.parent)


def _listed(found: Lines, source: str, folder: Path) -> Requirements:
    return Requirements(found.lines, found.constraints, source=source, folder=folder)


def _project(path: Path) -> Requirements | None:
    """``[project] dependencies``; a project without that table, or with a dynamic list, says nothing."""
    data = _parsed(path.read_text("utf-8", "replace"), path.name)
    project = data.get("project", {})
    if not isinstance(project, dict) or "dependencies" not in project:
        return None
    sources = data.get("tool", {}).get("uv", {}).get("sources", {})
    return Requirements(tuple(_sourced(str(line), sources, path.parent) for line in project["dependencies"]))


def _sourced(line: str, sources: dict[str, Any], folder: Path) -> str:
    """A dependency with the place that ``[tool.uv.sources]`` gives it."""
    name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
    source = sources.get(name)
    if not isinstance(source, dict):
        return line
    if "git" in source:
        revision = source.get("rev") or source.get("tag") or source.get("branch")
        return f"{name} @ git+{source['git']}" + (f"@{revision}" if revision else "")
    if "url" in source:
        return f"{name} @ {source['url']}"
    return f"{name} @ {(folder / source['path']).resolve().as_uri()}" if "path" in source else line


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EnvironmentFailed(f"{name} of the task's code is not valid TOML: {error}.") from error


def _without_clearq(found: Requirements) -> Requirements:
    """Take clearq out of the lines: it is installed from the agent's own wheel."""
    named = [extras for line in found.lines if (extras := names_clearq(line)) is not None]
    if not named:
        return found
    kept = tuple(line for line in found.lines if names_clearq(line) is None)
    return replace(found, lines=kept, clearq=True, extras=max(named, key=len))


def _imports_clearq(entry: Path, cwd: Path, root: Path) -> bool:
    names = scan(entry, (*repository_roots(root), cwd)).names
    return any(name.partition(".")[0] == "clearq" for name in names)
