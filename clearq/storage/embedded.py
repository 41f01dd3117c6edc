"""The embedded server: a private Valkey of this user on this host, shared by all of their processes.

Found by its unix socket, guarded by two locks (:mod:`clearq.storage.embedded_files`): one is held while a
process starts or stops it, the other by the server itself as long as it lives. It belongs to no process:
whoever started it may end, the server goes on until ``clearq down``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, TimeoutError

from clearq.errors import StorageDenied, StorageError, StorageUnavailable
from clearq.settings import Settings
from clearq.storage.embedded_files import Files
from clearq.storage.embedded_start import failure, launch, log_size, port_taken, turn_log

log = logging.getLogger("clearq.embedded")

#: Seconds a living server may stay silent before we give up on it.
SILENCE = 20.0
#: Seconds a server may take to load its data.
LOADING = 600.0
#: Lines of the log of a server that died.
LAST_WORDS = 5
#: Seconds a server may take to end in good order.
STOPPING = 60.0


@dataclass(frozen=True)
class EmbeddedServer:
    """A server that runs and answers. The URLs hold its password: print ``mask_url`` of them."""

    url: str = field(repr=False)  #: by the socket, or by the port when the socket is gone
    tcp_url: str = field(repr=False)  #: by the loopback port, for containers that share the host's network
    socket: Path
    port: int
    pid: int
    log: Path
    started_now: bool = False  #: by this very call


async def ensure(settings: Settings, *, start_stopped: bool = True) -> EmbeddedServer:
    """This user's server, started if none runs. However many processes ask at once, there is one.

    With ``start_stopped=False`` one that was stopped on purpose (``clearq down``) stays down: it is waited for
    ``settings.patience`` seconds. So ask those that nobody has just started, such as the processes of an attempt.

    Raises ConfigurationError (no server binary, home not writable), StorageError (its data cannot be read;
    says how to mend it), StorageUnavailable (it lives but does not answer, or it stays down).
    """
    files, began = Files.of(settings), time.monotonic()
    while (found := await _reach_or_start(files, settings, start_stopped)) is None:
        if time.monotonic() - began >= settings.patience:
            raise StorageUnavailable("the embedded server was stopped by `clearq down`; `clearq up` starts it again")
        await asyncio.sleep(0.2)
    if settings.durability == "always" and not found.started_now:
        await _strengthen(files, settings)
    return found


async def _reach_or_start(files: Files, settings: Settings, start_stopped: bool) -> EmbeddedServer | None:
    """None: it was stopped on purpose, and we may not undo that."""
    found = await _reach(files, settings)
    if found is not None:
        return found
    files.make()
    async with files.turn(SILENCE + LOADING):
        found = await _reach(files, settings)
        if found is None and (start_stopped or not files.stopped.exists()):
            found = await _start(files, settings)
    return found


async def revive(settings: Settings) -> None:
    """Start the server again if it died; one that was stopped on purpose (``clearq down``) stays down.

    For those who have lost their connection; cheap while the server lives. Raises as :func:`ensure` does.
    """
    files = Files.of(settings)
    if not _died(files):
        return
    async with files.turn(SILENCE + LOADING):
        if _died(files):
            log.warning("the embedded server died, starting it again; its log: %s", files.log)
            await _start(files, settings)


def _died(files: Files) -> bool:
    return files.run.is_dir() and not files.stopped.exists() and not files.occupied()


async def find(settings: Settings) -> EmbeddedServer | None:
    """This user's server if it runs; nothing is started or made."""
    return await _reach(Files.of(settings), settings)


def last_words(settings: Settings) -> str | None:
    """The end of its log, when the server has ended and nobody stopped it on purpose; else None."""
    files = Files.of(settings)
    if not _died(files) or not files.log.exists():
        return None
    return "\n".join(files.log.read_text(errors="replace").splitlines()[-LAST_WORDS:])


async def stop(settings: Settings) -> bool:
    """End the server in good order, its data on disk. False when none ran."""
    files = Files.of(settings)
    if not files.run.is_dir():
        return False
    async with files.turn(STOPPING):
        found = await _reach(files, settings)
        if found is None:
            return False
        with files.marked_as_stopped():
            await _shut_down(files, settings, found)
    return True


async def _start(files: Files, settings: Settings) -> EmbeddedServer:
    files.stopped.unlink(missing_ok=True)
    turn_log(files)
    for _ in range(3):
        since = log_size(files)
        await launch(files, settings)
        found = await _reach(files, settings, started_now=True)
        if found is not None:
            log.info("started the embedded server (pid %d) in %s", found.pid, files.data)
            return found
        if not port_taken(files, since):
            break
    raise failure(files, since)


async def _reach(files: Files, settings: Settings, *, started_now: bool = False) -> EmbeddedServer | None:
    """The server once it answers and has loaded its data; None when none lives."""
    began = heard = time.monotonic()
    while True:
        info = await _info(files, settings)
        if info is not None and not int(info.get("loading", 0)):
            return _server(files, info, started_now)
        if info is None and not files.occupied():
            return None
        now = time.monotonic()
        heard = heard if info is None else now
        if now - heard > SILENCE or now - began > LOADING:
            raise StorageUnavailable(
                f"the embedded server (pid {files.pid() or 'unknown'}) has not answered for {now - heard:.0f} s and"
                f" not been ready for {now - began:.0f} s; see {files.log}, or kill it: it keeps its data"
            )
        await asyncio.sleep(0.02)


async def _info(files: Files, settings: Settings) -> dict[str, Any] | None:
    """What the server says of itself; None when it is silent."""
    password = files.password()
    if not password:
        return None
    for client in _clients(files, settings, password):
        try:
            answer: dict[str, Any] = await client.info()
            return answer | {"by_socket": client.connection_pool.connection_kwargs.get("path") is not None}
        except (ConnectionError, TimeoutError, OSError) as error:
            if isinstance(error, AuthenticationError) or isinstance(error.__cause__, AuthenticationError):
                raise StorageDenied(
                    f"the embedded server (pid {files.pid() or 'unknown'}) refuses the password in"
                    f" {files.data / 'password'}: kill it, then try again; it keeps its data"
                ) from None
        except RedisError as error:
            raise StorageError(f"the embedded server answers: {error}") from error
        finally:
            await client.aclose()
    return None


def _clients(files: Files, settings: Settings, password: str) -> list[Redis]:
    """By the socket; by the port as well when the socket is gone from under a living server.

    The port is asked only while our server holds it: a stranger there must not learn the password.
    """
    common: dict[str, Any] = {
        "password": password,
        "socket_timeout": settings.connect_timeout,
        "socket_connect_timeout": settings.connect_timeout,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
    }
    if files.socket.exists():
        return [Redis(unix_socket_path=str(files.socket), **common)]
    port = files.port()
    if port is not None and files.pid() is not None:
        return [Redis(host="127.0.0.1", port=port, **common)]
    return []


def _server(files: Files, info: dict[str, Any], started_now: bool) -> EmbeddedServer:
    password, port = files.password(), int(info["tcp_port"])
    tcp_url = f"redis://:{password}@127.0.0.1:{port}/0"
    return EmbeddedServer(
        url=files.socket_url(password) if info["by_socket"] else tcp_url,
        tcp_url=tcp_url,
        socket=files.socket,
        port=port,
        pid=int(info["process_id"]),
        log=files.log,
        started_now=started_now,
    )


async def _strengthen(files: Files, settings: Settings) -> None:
    """A process that asks for more durability than the running server has gets it, until its next start."""
    for client in _clients(files, settings, files.password()):
        try:
            await client.config_set("appendfsync", "always")
        except RedisError as error:
            raise StorageError(f"cannot make the embedded server durable: {error}") from error
        finally:
            await client.aclose()


async def _shut_down(files: Files, settings: Settings, found: EmbeddedServer) -> None:
    for client in _clients(files, settings, files.password()):
        try:
            await client.shutdown()
        except (ConnectionError, TimeoutError):
            pass  # it ends without an answer
        except RedisError as error:
            raise StorageError(f"the embedded server (pid {found.pid}) cannot end: {error}\nsee {files.log}") from error
        finally:
            await client.aclose()
    began = time.monotonic()
    while files.occupied():
        if time.monotonic() - began > STOPPING:
            raise StorageUnavailable(
                f"the embedded server (pid {found.pid}) has not ended in {STOPPING:.0f} s; see {files.log}"
            )
        await asyncio.sleep(0.02)
