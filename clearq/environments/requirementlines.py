"""Lines of a requirements file: continued, commented, included; and what kind of line each is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clearq.errors import EnvironmentFailed

_INCLUDE = re.compile(r"^(?P<option>-r|--requirement|-c|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(?P<file>.+)$")
_CLEARQ = re.compile(r"^clearq\s*(?P<extras>\[[^\]]*\])?\s*(?:$|[<>=!~;@(\s])", re.IGNORECASE)
_NAMED = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:$|\[|[<>=!~;@(\s])")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tar.bz2", ".tgz")


@dataclass(frozen=True)
class Lines:
    """The content of a requirements file and of all that it includes."""

    lines: tuple[str, ...]
    constraints: tuple[str, ...]


def read_lines(text: str, folder: Path) -> Lines:
    """Requirements and constraints in ``text``; ``-r`` and ``-c`` files are read from ``folder``.

    Raises EnvironmentFailed when an included file is missing or includes itself.
    """
    lines: list[str] = []
    constraints: list[str] = []
    _collect(text, folder, lines, constraints, ())
    return Lines(tuple(lines), tuple(constraints))


def _collect(text: str, folder: Path, lines: list[str], constraints: list[str], inside: tuple[Path, ...]) -> None:
    for line in _logical(text):
        match = _INCLUDE.match(line)
        if match is None or "://" in match["file"]:
            lines.append(line)
            continue
        path = (folder / match["file"].strip()).resolve()
        if path in inside:
            raise EnvironmentFailed(f"The requirements file {path.name} includes itself: remove the circle.")
        into = lines if match["option"] in ("-r", "--requirement") else constraints
        _collect(_read(path), path.parent, into, constraints, (*inside, path))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise EnvironmentFailed(
            f"The requirements include {path.name}, which cannot be read ({error.strerror}):"
            " commit that file or remove the line."
        ) from error


def _logical(text: str) -> Iterator[str]:
    joined = re.sub(r"\\\r?\n", " ", text.removeprefix("\ufeff"))
    for line in joined.splitlines():
        if stripped := re.sub(r"(^|\s+)#.*$", "", line).strip():
            yield stripped


def names_clearq(line: str) -> str | None:
    """The extras (``[s3]``, or empty) of a line that asks for clearq; None for any other line."""
    match = _CLEARQ.match(line)
    return (match["extras"] or "").replace(" ", "") if match else None


def is_local(line: str) -> bool:
    """Does the line name a file or folder (``-e .``, ``./pkg``, ``x.whl``), so that only this checkout has it?"""
    if line.startswith(("-e", "--editable", "-r", "-c", "--requirement", "--constraint")):
        return True
    if line.startswith(("-f", "--find-links")):
        return "://" not in line or "file:" in line
    if line.startswith("-"):
        return False
    if "file:" in line:
        return True
    if "://" in line:
        return False
    return _NAMED.match(line) is None or line.endswith(_ARCHIVES)
