"""The pages say what the code does: settings, statuses, links, commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import clearq.cli.main as main_module
from clearq.models.status import TRANSITIONS, Status
from clearq.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "clearq" / "docs").glob("*.md"))
EVERY_PAGE = [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_each_setting_is_documented_and_each_documented_setting_exists() -> None:
    documented = set(re.findall(r"^\| `(CLEARQ_[A-Z_]+)`", text_of(doc("configuration")), re.MULTILINE))
    assert documented == {f"CLEARQ_{name.upper()}" for name in Settings.model_fields}


def test_documented_defaults_are_the_real_ones() -> None:
    rows = re.findall(r"^\| `CLEARQ_([A-Z_]+)` \| `([^`]+)` \|", text_of(doc("configuration")), re.MULTILINE)
    assert rows
    for name, shown in rows:
        default = Settings.model_fields[name.lower()].default
        assert shown == (f"{default:g}" if isinstance(default, float) else str(default)), name


def test_the_table_of_statuses_is_the_one_in_the_code() -> None:
    section = text_of(doc("tasks")).partition("## What may follow what")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)
    shown = {Status(before): {Status(word) for word in re.findall(r"`(\w+)`", after)} for before, after in rows}
    assert shown == {before: set(after) for before, after in TRANSITIONS.items()}


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(page)):
        if not target.startswith(("https://", "http://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_each_page_has_one_title(page: Path) -> None:
    outside_code = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    assert len(re.findall(r"^# ", outside_code, re.MULTILINE)) == 1


def doc(name: str) -> Path:
    return ROOT / "clearq" / "docs" / f"{name}.md"


def commands() -> list[str]:
    found = []
    for each in EVERY_PAGE:
        for line in re.findall(r"^\$ (clearq .+)$", text_of(each), re.MULTILINE):
            found.append(line.partition("  #")[0].strip())
    return sorted(set(found))


@pytest.mark.parametrize("line", commands())
def test_documented_commands_are_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    assert main_module._parse(words, 0) is not None
