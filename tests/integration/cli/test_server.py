"""``clearq up`` and ``clearq down`` on a private server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from clearq.agent.registry import Registry
from clearq.cli.main import main
from clearq.settings import Settings
from clearq.storage.embedded_files import Files
from tests.support.live import live_system
from tests.support.valkey import servers_in


def home(settings: Settings) -> tuple[str, str]:
    return ("--home", str(settings.home))


def running(settings: Settings) -> list[int]:
    return [process.pid for process in servers_in(Files.of(settings).data)]


def test_up_starts_it_and_tells_no_secret(private: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", *home(private)]) == 0
    first = capsys.readouterr()
    (pid,) = running(private)
    assert first.out.startswith("started\n")
    assert str(pid) in first.out
    assert str(Files.of(private).socket) in first.out
    assert "clearq down" in first.err
    assert Files.of(private).password() not in first.out + first.err
    assert main(["up", *home(private)]) == 0
    assert capsys.readouterr().out.startswith("running already\n")
    assert running(private) == [pid]


def test_up_and_down_carry_the_services_along(private: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", *home(private), "--json"]) == 0
    pid = json.loads(capsys.readouterr().out)["services"]
    services = psutil.Process(pid)
    assert "clearq.processes" in services.cmdline()
    while not list(Registry(private).living()):
        time.sleep(0.01)
    assert main(["up", *home(private), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["services"] is None, "they run already"
    assert main(["down", *home(private)]) == 0
    assert not services.is_running() or services.status() == psutil.STATUS_ZOMBIE
    assert running(private) == []


def test_services_that_come_late_start_nothing(private: Settings) -> None:
    assert main(["up", *home(private)]) == 0
    assert main(["down", *home(private)]) == 0
    environment = os.environ | {"CLEARQ_HOME": str(private.home)}
    subprocess.run([sys.executable, "-m", "clearq.processes"], env=environment, timeout=30, check=True)
    assert running(private) == []


def test_up_as_json(private: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", *home(private), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["started_now"]
    assert running(private) == [answer["pid"]]
    assert answer["url"] == f"unix://:***@{answer['socket']}"
    assert answer["tcp_url"] == f"redis://:***@127.0.0.1:{answer['port']}/0"
    assert answer["data"] == str(private.home / "server")


def test_down_stops_it_and_keeps_the_data(private: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", *home(private)]) == 0
    assert main(["queue", "create", "mine", *home(private)]) == 0
    capsys.readouterr()
    assert main(["down", *home(private)]) == 0
    assert "stopped" in capsys.readouterr().out
    assert running(private) == []
    assert main(["queue", "ls", *home(private)]) == 0
    assert "mine" in capsys.readouterr().out


def test_down_says_what_still_runs(private: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    async def fill() -> dict[str, str]:
        system = await live_system(private)
        await system.engine.close()
        return system.ids

    ids = asyncio.run(fill())
    assert main(["down", *home(private)]) == 0
    told = capsys.readouterr().err
    assert "3 workers, 5 tasks" in told
    assert "lab1:gpu0" in told
    assert ids["in_progress"] in told
    assert ids["completed"] not in told
    assert running(private) == []


def test_down_without_a_server(private: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down", *home(private)]) == 0
    assert "does not run" in capsys.readouterr().out
    assert not private.home.exists(), "nothing is made"
    assert main(["down", *home(private), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": False, "workers": [], "tasks": []}


@pytest.mark.parametrize("verb", ["up", "down"])
def test_a_server_that_is_not_ours_is_left_alone(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--url", "redis://:hidden@elsewhere:6379/0"]) == 2
    told = capsys.readouterr().err
    assert "redis://:***@elsewhere:6379/0" in told
    assert "hidden" not in told
