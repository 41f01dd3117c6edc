"""``clearq doctor`` on sound and on broken systems."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from clearq.cli.doctor import judge_census
from clearq.cli.main import main
from clearq.settings import Settings
from clearq.storage import embedded
from clearq.storage.census import Census
from clearq.storage.embedded_files import Files
from clearq.storage.keys import PATTERNS
from tests.support.fake_server import server_of_version
from tests.support.live import LiveSystem, live_system
from tests.support.valkey import ValkeyProcess, servers_in


@pytest.fixture
def flags(settings: Settings) -> Iterator[list[str]]:
    yield ["--url", settings.url.get_secret_value(), "--namespace", settings.namespace, "--home", str(settings.home)]


def doctor(flags: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and findings by the name of their check."""
    code = main(["doctor", "--json", *flags])
    return code, {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}


def test_a_home_that_cannot_be_used_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    code, found = doctor(["--home", str(tmp_path / "file" / "home")], capsys)
    assert code == 1
    assert str(tmp_path / "file") in found["home"]["says"]
    assert "CLEARQ_HOME" in found["home"]["advice"]
    code, found = doctor(["--home", str(tmp_path / "not" / "yet")], capsys)
    assert code == 0, found
    assert list(tmp_path.iterdir()) == [tmp_path / "file"], "it changes nothing"


def fill(settings: Settings, *command: str) -> dict[str, str]:
    """Make a living system, then break it by one command (``ID`` stands for the waiting task)."""

    async def run() -> dict[str, str]:
        system: LiveSystem = await live_system(settings)
        if command:
            verb, key, *rest = (word.replace("ID", system.ids["queued"]) for word in command)
            await system.engine.storage.command(verb, system.engine.storage.keys(key), *rest)
        await system.engine.close()
        return system.ids

    return asyncio.run(run())


def test_a_sound_system(settings: Settings, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    fill(settings)
    code, found = doctor(flags, capsys)
    assert code == 0
    assert {"disk", "server", "persistence", "eviction", "memory", "clock", "keys", "tasks"} <= set(found)
    assert found["tasks"]["level"] == "ok"
    assert "7 in_progress" in found["tasks"]["says"]
    assert main(["doctor", *flags]) == 0
    assert "each stands in its one place" in capsys.readouterr().out


def test_it_changes_nothing(settings: Settings, flags: list[str], valkey: ValkeyProcess, capsys: Any) -> None:
    code, found = doctor(flags, capsys)
    assert code == 0
    assert "nothing yet" in found["data"]["says"]
    assert valkey.command("EXISTS", f"{{{settings.namespace}}}:meta") == b":0"


@pytest.mark.parametrize(
    ("command", "check", "words"),
    [
        (("SET", "foreign", "1"), "keys", "'foreign'"),
        (("ZREM", "q:default", "ID"), "tasks", "nowhere"),
        (("HSET", "meta", "schema", "99"), "data", "layout 99"),
    ],
)
def test_broken_data_fails(
    settings: Settings,
    flags: list[str],
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    check: str,
    words: str,
) -> None:
    fill(settings, *command)
    code, found = doctor(flags, capsys)
    assert code == 1
    assert found[check]["level"] == "error"
    assert words in found[check]["says"]
    assert found[check]["advice"]
    assert main(["doctor", *flags]) == 1
    assert "What to do" in capsys.readouterr().out


def test_a_server_that_evicts_fails(server: ValkeyProcess, capsys: pytest.CaptureFixture[str]) -> None:
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    code, found = doctor(["--url", server.url], capsys)
    assert code == 1
    assert found["eviction"]["level"] == "error"


def test_a_server_that_is_away_fails(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARQ_PATIENCE", "0")
    code, found = doctor(["--url", "redis://:hidden@127.0.0.1:1/0"], capsys)
    assert code == 1
    assert "cannot be reached" in found["server"]["says"]
    assert "hidden" not in str(found)


async def test_an_old_server_fails(capsys: pytest.CaptureFixture[str]) -> None:
    async with server_of_version("6.0.16") as url:
        code, found = await asyncio.to_thread(doctor, ["--url", url], capsys)
    assert code == 1
    assert "6.0.16 is too old" in found["server"]["says"]


def test_the_private_server_is_not_started_for_a_check(private: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = doctor(["--home", str(private.home)], capsys)
    assert code == 0
    assert "does not run" in found["server"]["says"]
    assert servers_in(Files.of(private).data) == []


def test_a_private_server_that_died_is_told_with_its_last_words(
    private: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    server = asyncio.run(embedded.ensure(private))
    process = psutil.Process(server.pid)
    process.terminate()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.005)
    code, found = doctor(["--home", str(private.home)], capsys)
    assert code == 0
    assert found["server"]["level"] == "warning"
    assert "bye bye" in found["server"]["advice"]
    asyncio.run(embedded.ensure(private))
    asyncio.run(embedded.stop(private))
    _, found = doctor(["--home", str(private.home)], capsys)
    assert found["server"]["level"] == "ok", "stopped on purpose"


def test_keys_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--keys"]) == 0
    page = capsys.readouterr().out
    assert all(f"`{row.pattern}`" in page for row in PATTERNS)
    assert main(["doctor", "--keys", "--json"]) == 0
    assert [row["pattern"] for row in json.loads(capsys.readouterr().out)] == [row.pattern for row in PATTERNS]


def test_wrong_permits_are_told() -> None:
    census = Census(permits=[("customer:42 of queue mail", "3 permits are taken, but 2 are accounted for")])
    found = judge_census(census)
    assert [(each.check, each.level) for each in found] == [("keys", "ok"), ("tasks", "ok"), ("limits", "error")]
    assert found[-1].says == (
        "1 key with wrong permits: limit customer:42 of queue mail: 3 permits are taken, but 2 are accounted for"
    )


def test_many_faults_are_told_in_a_few_words() -> None:
    census = Census(misplaced=[(f"{index:032x}", "queued in a, but it stands in nowhere") for index in range(100)])
    tasks = judge_census(census)[-1]
    assert tasks.says.startswith("100 tasks in a wrong place")
    assert tasks.says.endswith("and 95 more")
    assert tasks.says.count("nowhere") == 5
