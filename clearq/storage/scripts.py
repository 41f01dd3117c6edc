"""The Lua scripts: one transition each, loaded from ``lua/``, addressed by their content.

``-- @include name`` puts ``lua/lib/name.lua`` in, as far as the script uses it: the server makes every function of a
script anew at each run, and that costs more than most scripts' own work. ``-- @later name`` puts a library into
``later()``, which makes it on first use: ``later().put_in_queue(...)``. That is for what a lean task never needs.
The status table and the defaults come from the models, so that Lua and Python cannot disagree.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Set
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from clearq.models.status import TRANSITIONS
from clearq.models.task import NOT_COUNTED, Limits

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

_INCLUDE = re.compile(r"^-- @(include|later) (\w+)\n", re.MULTILINE)
_DEFINES = re.compile(r"local (?:function )?(\w+(?:, \w+)*)")
_LATER = re.compile(r"\blater\(\)\.(\w+)")


@dataclass(frozen=True)
class Script:
    """Source and address of one script."""

    name: str
    source: str
    sha: str


@cache
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
            f"local NOT_COUNTED = '{NOT_COUNTED}'",
            f"local HEAD = {{ {', '.join(repr(name) for name in HEAD_FIELDS)} }}",
        ]
    )


@cache
def load(name: str) -> Script:
    """The script of that name, complete. Raises FileNotFoundError for an unknown one (a mistake in clearq)."""
    folder = files("clearq.storage") / "lua"
    body = (folder / f"{name}.lua").read_text("utf-8")
    libraries: dict[str, list[str]] = {"include": [], "later": []}
    for kind, library in _INCLUDE.findall(body):
        libraries[kind] += _pieces(_library(library))
    body = _INCLUDE.sub("", body)
    pieces = [*_pieces(_constants()), *libraries["include"]]
    at_once = _used(pieces, _words(_LATER.sub("", body)))
    if libraries["later"]:
        wanted, rest = set(_LATER.findall(body)), libraries["later"]
        later = _used([piece for piece in pieces if piece not in rest] + rest, wanted)
        body = _later([piece for piece in later if piece not in at_once], wanted) + body
    source = "".join(at_once) + body
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


@cache
def _library(name: str) -> str:
    """One with those that it includes itself."""
    text = (files("clearq.storage") / "lua" / "lib" / f"{name}.lua").read_text("utf-8")
    return _INCLUDE.sub(lambda match: _library(match[2]), text)


def _later(pieces: list[str], names: set[str]) -> str:
    table = ", ".join(f"{name} = {name}" for name in sorted(names))
    return (
        f"local made\nlocal function later()\nif not made then\n{''.join(pieces)}made = {{ {table} }}\nend\n"
        "return made\nend\n"
    )


@cache
def _pieces(library: str) -> tuple[str, ...]:
    """A library's definitions, without comments: each begins with ``local`` at the start of a line."""
    code = re.sub(r"^ *--.*\n", "", library + "\n", flags=re.MULTILINE)
    return tuple(re.split(r"^(?=local )", code, flags=re.MULTILINE))


@cache
def _words(code: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", code))


@cache
def _defined(piece: str) -> frozenset[str]:
    found = _DEFINES.match(piece)
    return frozenset(found[1].split(", ")) if found else frozenset()


def _used(pieces: list[str], words: Set[str]) -> list[str]:
    """Those that these words need, directly or not. A definition uses only what stands before it."""
    kept, words = list[str](), set(words)
    for piece in reversed(pieces):
        if words & _defined(piece):
            kept.append(piece)
            words = words | _words(piece)
    return kept[::-1]


def names() -> list[str]:
    """All scripts."""
    folder = files("clearq.storage") / "lua"
    return sorted(entry.name.removesuffix(".lua") for entry in folder.iterdir() if entry.name.endswith(".lua"))
