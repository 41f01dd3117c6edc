"""The Lua scripts: one transition each, loaded from ``lua/``, addressed by their content.

``-- @include name`` puts ``lua/lib/name.lua`` in. The status table and the defaults come from the models, so that
Lua and Python cannot disagree.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from clearq.models.status import TRANSITIONS
from clearq.models.task import Limits

#: Entries kept in the event stream (about 20 MB).
EVENT_ENTRIES = 100_000

#: Fields of a waiting task that an agent decides by, in the order the snapshot gives them.
HEAD_FIELDS = (
    "name",
    "rev",
    "priority",
    "enqueued",
    "executor",
    "needs.gpus",
    "needs.cpus",
    "needs.memory",
    "needs.gpu_type",
    "needs.gpu_memory",
    "claims",
    "script.binary",
)

_INCLUDE = re.compile(r"^-- @include (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Script:
    """Source and address of one script."""

    name: str
    source: str
    sha: str


def _constants() -> str:
    table = ", ".join(
        f"{before} = {{ {', '.join(f'{after} = true' for after in sorted(followers))} }}"
        for before, followers in TRANSITIONS.items()
    )
    defaults = Limits()
    return "\n".join(
        [
            f"local TRANSITIONS = {{ {table} }}",
            f"local EVENT_ENTRIES = '{EVENT_ENTRIES}'",
            f"local DEFAULT_LOSSES = '{defaults.losses}'",
            f"local DEFAULT_LOST_TIMEOUT = '{defaults.lost_timeout}'",
            f"local DEFAULT_RETRY_DELAY = '{defaults.retry_delay}'",
            f"local DEFAULT_RETRY_DELAY_MAX = '{defaults.retry_delay_max}'",
            f"local HEAD = {{ {', '.join(repr(name) for name in HEAD_FIELDS)} }}",
        ]
    )


@cache
def load(name: str) -> Script:
    """The script of that name, complete. Raises FileNotFoundError for an unknown one (a mistake in clearq)."""
    folder = files("clearq.storage") / "lua"
    source = (folder / f"{name}.lua").read_text("utf-8")
    while _INCLUDE.search(source):  # a library may include another
        source = _INCLUDE.sub(lambda match: (folder / "lib" / f"{match[1]}.lua").read_text("utf-8"), source)
    # They are made anew at each run, so a script gets only those that it uses.
    used = [line for line in _constants().splitlines() if re.search(rf"\b{line.split()[1]}\b", source)]
    source = "\n".join([*used, source])
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def names() -> list[str]:
    """All scripts."""
    folder = files("clearq.storage") / "lua"
    return sorted(entry.name.removesuffix(".lua") for entry in folder.iterdir() if entry.name.endswith(".lua"))
