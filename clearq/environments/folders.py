"""Folders of an attempt: made empty, and paths that must stay inside them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from clearq.environments.commands import from_os_error
from clearq.errors import EnvironmentFailed


def make_folder(path: Path) -> None:
    """An empty folder of that name, whatever was there before. Raises EnvironmentFailed."""
    try:
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
    except OSError as error:
        raise from_os_error(error, "Making the task's working folder", path) from error


def inside(root: Path, *parts: str) -> Path:
    """``root/parts``. Raises EnvironmentFailed when it would lie outside ``root``."""
    path = Path(os.path.normpath(root.joinpath(*parts)))
    if path != root and root not in path.parents:
        raise EnvironmentFailed(
            f"The task's path {'/'.join(part for part in parts if part)!r} leads out of its folder:"
            " use a path relative to the repository's root."
        )
    return path
