"""The redis-cli page against a living system: every key, type and field is named, and every row is used."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.resources import files

import pytest

from clearq.settings import Settings
from clearq.storage.census import take
from clearq.storage.keys import PATTERNS
from clearq.storage.table import row_of
from tests.support.live import LiveSystem, live_system

PAGE = files("clearq").joinpath("docs", "keys.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+?)` \| (\w+) \| (.+?) \| `(.+?)` \|$", PAGE, re.MULTILINE)

#: Rows that a system at rest does not have.
PASSING = {"todo"}


@pytest.fixture
async def live(settings: Settings) -> AsyncIterator[LiveSystem]:
    system = await live_system(settings)
    yield system
    await system.engine.close()


async def all_keys(live: LiveSystem) -> list[str]:
    storage = live.engine.storage
    prefix = storage.keys.prefix
    found = await storage.command("KEYS", prefix + "*")
    return sorted(key.removeprefix(prefix) for key in found)


def test_the_pages_table_is_the_table() -> None:
    assert [row[:3] for row in ROWS] == [(row.pattern, row.type, row.holds) for row in PATTERNS]


async def test_every_key_of_a_living_system_is_in_the_table(live: LiveSystem) -> None:
    census = await take(live.engine.storage)
    assert census.unknown == []
    assert census.mistyped == []
    assert {row.pattern for row in PATTERNS} - set(census.keys) == PASSING


async def test_keys_outside_the_table_are_found(live: LiveSystem) -> None:
    storage = live.engine.storage
    await storage.command("SET", storage.keys("foreign"), "1")
    await storage.command("DEL", storage.keys("beats"))
    await storage.command("SET", storage.keys("beats"), "1")
    census = await take(storage)
    assert census.unknown == ["foreign"]
    assert census.mistyped == [("beats", "string", "hash")]


async def test_every_command_of_the_table_works(live: LiveSystem) -> None:
    keys = await all_keys(live)
    for pattern, _, _, command in ROWS:
        if pattern in PASSING:
            continue
        key = next(key for key in keys if (row := row_of(key)) and row.pattern == pattern)
        words = [live.engine.storage.keys(key) if word == pattern else word for word in command.split(" ")]
        assert pattern in command.split(" ")
        assert await live.engine.storage.command(*words), command


@pytest.mark.parametrize("pattern", ["t:<task>", "queue:<queue>", "worker:<worker>", "cron:<name>", "meta"])
async def test_every_field_is_named_on_the_page(live: LiveSystem, pattern: str) -> None:
    named = set(re.findall(r"`([^`\n]+)`", PAGE))
    prefixes = tuple(name.removesuffix("*").partition("<")[0] for name in named if re.search(r"[.:](\*|<|$)", name))
    storage = live.engine.storage
    for key in await all_keys(live):
        row = row_of(key)
        if row is None or row.pattern != pattern:
            continue
        for field in await storage.command("HKEYS", storage.keys(key)):
            assert field in named or field.startswith(prefixes), f"{field} of {key} is not on the page"
