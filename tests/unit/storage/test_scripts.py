"""How scripts are put together: with what they use, and the rest on first use."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from clearq.storage import scripts

FOLDER = Path(str(files("clearq.storage"))) / "lua"


def test_a_script_gets_only_what_it_uses() -> None:
    source = scripts.load("wait_many").source
    assert set(re.findall(r"^local function (\w+)", source, re.MULTILINE)) == {"task_key", "pass_when_full"}


def test_what_a_lean_task_never_needs_is_made_on_first_use() -> None:
    at_once, _, rest = scripts.load("turn").source.partition("local function later()")
    lazy, _, body = rest.partition("return made\nend")
    assert "local function wake_waiters" in at_once  # the usual way of a task that somebody waits for
    assert "local function lose" not in at_once and "ring_work" not in at_once
    assert "local function put_in_queue" in lazy and "local function ring_work" in lazy
    assert "later().put_in_queue(" in body


def test_there_is_one_set_of_the_limits_state() -> None:
    """Two would lose what one of them noted."""
    for name in scripts.names():
        assert scripts.load(name).source.count("local freed, freed_at") <= 1, name


@pytest.mark.parametrize("name", scripts.names())
def test_everything_stands_before_what_uses_it(name: str) -> None:
    """Else it would be taken for a global: an error, and only when that line runs."""
    libraries = "".join(path.read_text() for path in FOLDER.glob("lib/*.lua"))
    known = set(re.findall(r"^local function (\w+)", libraries, re.MULTILINE))
    at_once, _, rest = scripts.load(name).source.rpartition("local function later()\n")
    later, _, body = rest.rpartition("return made\nend\n")
    defined = _checked(at_once, known, set())
    _checked(later, known, defined)
    _checked(body, known, defined)


def _checked(source: str, known: set[str], defined: set[str]) -> set[str]:
    defined = set(defined)
    for piece in re.split(r"^(?=local )", source, flags=re.MULTILINE):
        defined |= set(re.findall(r"^local (?:function )?(\w+)", piece))
        called = set(re.findall(r"(?<![\w.:])(\w+)\(", re.sub(r"--.*", "", piece)))
        assert called & known <= defined, piece
    return defined
