"""Record the program itself: its repository, changes, packages and command line, in a background thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearq.environments.capture import capture, entry_file
from clearq.environments.packages import capture_requirements, repository_roots
from clearq.environments.worktree import NotARepository, WorkTree
from clearq.errors import ClearqError, EnvironmentFailed
from clearq.models import Script


@dataclass
class CodeCapture:
    """Looks at the program once; :meth:`wait` for what it found."""

    directory: Path
    entry: str | None
    argv: tuple[str, ...]
    same_host: bool
    #: Called in the background with the fields of the task's ``script``.
    found: Callable[[dict[str, Any]], None]
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._done = threading.Event()
        self._pinned: set[str] = set()
        self._error: ClearqError | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        threading.Thread(target=self._run, name="clearq-capture", daemon=True).start()

    def pin(self, fields: Iterable[str]) -> None:
        """The user sets these fields of the script: what is found must not overwrite them."""
        self._pinned.update(fields)

    def settle(self, timeout: float) -> None:
        """Until the recording has ended, well or not."""
        self._done.wait(timeout)

    def wait(self, timeout: float) -> None:
        """Until the code is recorded. Raises :class:`~clearq.errors.EnvironmentFailed` when it cannot be."""
        if not self._done.wait(timeout):
            raise EnvironmentFailed(
                f"Recording the code of {self.directory} takes longer than {timeout:g} s."
                " Is it a very large repository? Try again, or name the code with task.set_script()."
            )
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            found = self._look()
            self.found({name: value for name, value in found.items() if name not in self._pinned})
        except ClearqError as error:
            self._error = error
            self.warnings.append(str(error))
        except Exception as error:  # noqa: BLE001  # capturing must never disturb the program
            self._error = EnvironmentFailed(f"The program's code could not be recorded: {error}")
            self.warnings.append(str(self._error))
        finally:
            self._done.set()

    def _look(self) -> dict[str, Any]:
        script = recorded(self.directory, self.entry, same_host=self.same_host, warn=self.warnings.append)
        return {**script.model_dump(exclude_defaults=True), "argv": self.argv}


def recorded(
    directory: Path,
    entry: str | None,
    *,
    same_host: bool,
    warn: Callable[[str], None] | None = None,
) -> Script:
    """The code and packages of ``entry`` (a path from ``directory``, ``-m module`` or ``None``), and this Python.

    Takes a moment: it runs git and reads the program's imports. Raises :class:`~clearq.errors.SpecError`.
    """
    script = capture(directory, entry, same_host=same_host, warn=warn)
    update = {"binary": f"python{sys.version_info.major}.{sys.version_info.minor}"}
    file = entry_file(directory, entry) if entry else None
    if file is not None:
        update["requirements"] = with_added(capture_requirements(file, _roots(directory, file)))
    return script.model_copy(update=update)


def _roots(directory: Path, file: Path) -> tuple[Path, ...]:
    """Folders whose modules are the program's own."""
    try:
        root = WorkTree.of(file.parent).root
    except NotARepository:
        return (directory,)
    return (*repository_roots(root), directory)


def main_script() -> str | None:
    """What was started: a path, ``-m module``, or ``None`` in an interactive session."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        name = spec.name.removesuffix(".__main__")
        return f"-m {name}"
    file = getattr(main, "__file__", None)
    return str(Path(file).absolute()) if file else None


#: Packages named by ``Task.add_requirements`` before ``Task.init``: name to requirement line.
_added: dict[str, str] = {}


def add_requirement(name: str, version: str | None = None) -> None:
    """Record ``name`` whether or not the program imports it; a bare version such as ``1.2`` means that very one."""
    text = (version or "").strip()
    if text and text[0].isdigit():
        text = f"=={text}"
    _added[_normal(name)] = f"{name}{text}"


def with_added(requirements: str) -> str:
    """``requirements`` with the lines of :func:`add_requirement`, which win."""
    lines = [line for line in requirements.splitlines() if _normal(_name(line)) not in _added]
    return "\n".join([*lines, *_added.values()]) + "\n"


def requirement_lines(packages: str | Path | Iterable[str]) -> str:
    """Requirements as text from a list of lines, or from a file's path."""
    if isinstance(packages, str | Path):
        return Path(packages).read_text()
    return "".join(f"{line}\n" for line in packages)


def _name(line: str) -> str:
    head = line.split("#")[0].split("@")[0].split(";")[0].split("[")[0]
    for operator in "=<>!~ ":
        head = head.split(operator)[0]
    return head.strip()


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
