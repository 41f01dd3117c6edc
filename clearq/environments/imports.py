"""Read which modules a script imports, from its text alone: nothing of the user's is run."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Bounds of one scan: files read, and bytes of one file.
MAX_FILES = 1_000
MAX_BYTES = 2_000_000


@dataclass(frozen=True)
class Imports:
    """What a script imports, itself and through local modules."""

    files: tuple[Path, ...]  #: the script first, then the local modules, as found
    names: frozenset[str]  #: dotted names that are not local


def scan(entry: Path, roots: Sequence[Path] = ()) -> Imports:
    """Follow ``entry``'s imports through local modules below its folder or ``roots``.

    Files that cannot be read or parsed count as importing nothing.
    """
    entry = Path(os.path.abspath(entry))  # noqa: PTH100  # links stay as they are, as for the interpreter
    folders = list(dict.fromkeys([entry.parent, *(Path(os.path.abspath(root)) for root in roots)]))  # noqa: PTH100
    seen: dict[Path, None] = {entry: None}
    waiting, outside = [entry], set[str]()
    while waiting and len(seen) <= MAX_FILES:
        file = waiting.pop(0)
        for name, level in imported(file):
            found = _locate(name, level, file, folders)
            if not found and not level:
                outside.add(name)
            for each in found:
                if each not in seen:
                    seen[each] = None
                    waiting.append(each)
    return Imports(tuple(seen), frozenset(outside))


def find_module(name: str, folders: Sequence[Path]) -> Path | None:
    """The file that ``python -m name`` runs when the module is a local one."""
    for folder in folders:
        base = folder.joinpath(*name.split("."))
        for file in (base.with_name(f"{base.name}.py"), base / "__main__.py"):
            if name and file.is_file():
                return file
    return None


def imported(file: Path) -> Iterator[tuple[str, int]]:
    """Dotted names that ``file`` imports, each with its relative level (0: absolute)."""
    try:
        if file.suffix not in (".py", ".pyw", "") or file.stat().st_size > MAX_BYTES:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as invalid escapes in the user's text
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if base:
                yield base, node.level
            yield from (
                (f"{base}.{alias.name}" if base else alias.name, node.level)
                for alias in node.names
                if alias.name != "*"
            )
        elif isinstance(node, ast.Call) and (name := _literal_import(node)):
            yield name, 0


def _literal_import(call: ast.Call) -> str | None:
    """The name in ``importlib.import_module("name")`` or ``__import__("name")``."""
    function = call.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if called not in ("import_module", "__import__") or not call.args:
        return None
    first = call.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
        return first.value
    return None


def _locate(name: str, level: int, file: Path, folders: Sequence[Path]) -> list[Path]:
    """Files of the local module ``name``: its packages' ``__init__`` and itself. Empty: not local."""
    bases = folders
    if level:
        base = file.parent
        for _ in range(level - 1):
            base = base.parent
        bases = [base]
    for base in bases:
        if found := _below(base, name.split(".")):
            return found
    return []


def _below(base: Path, parts: Sequence[str]) -> list[Path]:
    """The longest part of the dotted name that lies below ``base``; at least its first word must."""
    found: list[Path] = []
    for index, part in enumerate(parts):
        module, package = base / f"{part}.py", base / part
        init = package / "__init__.py"
        if init.is_file():
            found.append(init)
        elif module.is_file():
            return [*found, module]
        elif not package.is_dir() or not (found or index or _holds_code(package)):
            break
        base = package
    return found


def _holds_code(folder: Path) -> bool:
    """A folder without ``__init__`` is a namespace package only when Python files lie in it."""
    return any(folder.glob("*.py")) or any(folder.glob("*/__init__.py"))
