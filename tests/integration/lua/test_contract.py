"""What holds for every script: its head says what it takes, touches and answers, and a test file tries it."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from clearq.storage import scripts

FOLDER = Path(str(files("clearq.storage"))) / "lua"


def head(name: str) -> str:
    """The comment that a script begins with, in one line."""
    lines = (FOLDER / f"{name}.lua").read_text("utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if not line.startswith("--") or line.startswith("-- @"))
    return " ".join(line.removeprefix("--").strip() for line in lines[:first])


def words(name: str) -> set[str]:
    """The words that the head says it answers with."""
    return set(re.findall(r"\{'([a-z_]+)'", head(name).split("RETURNS", 1)[1]))


@pytest.mark.parametrize("name", scripts.names())
def test_the_head(name: str) -> None:
    text = head(name)
    assert not text.startswith("KEYS"), "the first line says what it is for"
    assert "KEYS[1] meta (hash)" in text
    assert "ARGV: " in text
    assert "Touches " in text or "writes nothing" in text
    assert "RETURNS " in text


@pytest.mark.parametrize("name", scripts.names())
def test_every_word_it_answers_is_in_its_head(name: str) -> None:
    body = (FOLDER / f"{name}.lua").read_text("utf-8")
    answered = set(re.findall(r"return \{ '([a-z_]+)'", body))
    assert answered <= words(name)


@pytest.mark.parametrize("name", scripts.names())
def test_there_is_a_file_that_tries_every_word(name: str) -> None:
    path = Path(__file__).with_name(f"test_{name}.py")
    assert path.exists(), f"write {path.name}"
    text = path.read_text("utf-8")
    missing = {word for word in words(name) if f'"{word}"' not in text}
    assert not missing, f"{path.name} never gets {sorted(missing)}"


@pytest.mark.parametrize("name", scripts.names())
def test_it_takes_only_one_key_and_no_time_or_chance_of_its_own(name: str) -> None:
    source = scripts.load(name).source
    assert set(re.findall(r"KEYS\[(\d+)\]", source)) == {"1"}
    assert "math.random" not in source and "cjson" not in source
    asks = "clock(" in (FOLDER / f"{name}.lua").read_text("utf-8")
    assert source.count("call('TIME')") == asks


def test_every_library_is_used() -> None:
    bodies = [path.read_text("utf-8") for path in FOLDER.rglob("*.lua")]
    used = {match for body in bodies for match in re.findall(r"^-- @(?:include|later) (\w+)$", body, re.MULTILINE)}
    assert used == {path.stem for path in (FOLDER / "lib").glob("*.lua")}
