"""What a server's answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from clearq.storage.health import Answers, Finding, Level, judge

GOOD: dict[str, Any] = {
    "redis_version": "7.2.4",
    "valkey_version": "9.1.2",
    "role": "master",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "maxmemory_policy": "noeviction",
    "maxmemory": 0,
    "used_memory": 10 * 2**20,
    "total_system_memory": 2**30,
}


def findings(config: dict[str, str] | None = None, skew: float = 0.0, **info: Any) -> dict[str, Finding]:
    answers = Answers(GOOD | info, {"appendfsync": "always", "save": ""} if config is None else config, skew)
    return {finding.check: finding for finding in judge(answers)}


def test_a_good_server_has_no_advice() -> None:
    found = findings()
    assert set(found) == {"server", "persistence", "eviction", "memory", "clock"}
    assert all(finding.level is Level.OK and not finding.advice for finding in found.values())
    assert found["server"].says == "Valkey 9.1.2"
    assert "nothing acknowledged is ever lost" in found["persistence"].says


@pytest.mark.parametrize(
    ("check", "level", "words", "change"),
    [
        ("server", Level.ERROR, "Redis 6.0.16 is too old", {"redis_version": "6.0.16", "valkey_version": None}),
        ("role", Level.ERROR, "replica", {"role": "slave"}),
        ("persistence", Level.ERROR, "aof_last_write_status", {"aof_last_write_status": "err"}),
        ("persistence", Level.WARNING, "loses every task", {"aof_enabled": 0}),
        ("eviction", Level.ERROR, "throw work away", {"maxmemory_policy": "allkeys-lru"}),
        ("memory", Level.WARNING, "90% of maxmemory", {"used_memory": 90, "maxmemory": 100}),
        ("memory", Level.ERROR, "maxmemory", {"used_memory": 100, "maxmemory": 100}),
        ("memory", Level.WARNING, "of the machine's memory", {"used_memory": 2**30}),
    ],
)
def test_trouble_is_named_with_what_to_do(check: str, level: Level, words: str, change: dict[str, Any]) -> None:
    info = {name: value for name, value in (GOOD | change).items() if value is not None}
    found = {f.check: f for f in judge(Answers(info, {"save": ""}, 0.0))}[check]
    assert found.level is level
    assert words in found.says
    assert found.advice


def test_snapshots_only_is_a_warning_of_its_own() -> None:
    found = findings({"save": "3600 1"}, aof_enabled=0)["persistence"]
    assert found.level is Level.WARNING
    assert "since its last snapshot" in found.says


def test_a_server_that_hides_its_settings_is_not_accused() -> None:
    assert findings({})["persistence"].level is Level.OK
    assert "cannot be read" in findings({})["persistence"].says


@pytest.mark.parametrize(("skew", "words"), [(5.0, "5 s behind"), (-7.0, "7 s ahead of")])
def test_clocks_apart_are_a_warning(skew: float, words: str) -> None:
    found = findings(skew=skew)["clock"]
    assert found.level is Level.WARNING
    assert words in found.says
