"""The scrape endpoint: its paths, its token, its address, and a server that is away."""

from __future__ import annotations

import aiohttp
import pytest

from clearq.engine.endpoint import Address, listen, serving
from clearq.errors import ConfigurationError, StorageUnavailable, UsageError


@pytest.mark.parametrize(
    ("text", "host", "port", "local"),
    [
        ("9464", "127.0.0.1", 9464, True),
        (":9464", "127.0.0.1", 9464, True),
        ("0.0.0.0:9464", "0.0.0.0", 9464, False),
        ("[::1]:0", "::1", 0, True),
        ("::1:0", "::1", 0, True),
        ("localhost:1", "localhost", 1, True),
        ("metrics.lab:1", "metrics.lab", 1, False),
    ],
)
def test_addresses(text: str, host: str, port: int, local: bool) -> None:
    address = Address.parse(text)
    assert (address, address.local) == (Address(host, port), local)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "lab", "lab:", "lab:http", "65536", "-1", "1:2:3:", "٣"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match=r"write \[HOST:\]PORT"):
        Address.parse(text)


async def test_a_port_in_use_and_a_host_that_is_not_here() -> None:
    with listen(Address("127.0.0.1", 0)) as ends:
        port = ends.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"Nothing can listen at 127\.0\.0\.1:{port}: .*in use"):
            listen(Address("127.0.0.1", port))
    with pytest.raises(ConfigurationError, match="Name another"):
        listen(Address("192.0.2.1", 0))


async def get(address: Address, path: str, token: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{path}", headers=headers) as answer:
        return answer.status, await answer.text()


async def test_paths() -> None:
    readings = 0

    async def text() -> str:
        nonlocal readings
        readings += 1
        return "clearq_x 1\n"

    async with serving(listen(Address("127.0.0.1", 0)), text) as address:
        assert await get(address, "/metrics") == (200, "clearq_x 1\n")
        assert await get(address, "/metrics") == (200, "clearq_x 1\n")
        assert readings == 1, "two scrapes at once read the server once"
        assert await get(address, "/healthz") == (200, "ok\n")
        for path in ("/", "/metrics/", "/healthz/x", "/..%2fmetrics"):
            assert (await get(address, path))[0] == 404


async def test_the_token() -> None:
    async def text() -> str:
        return "clearq_x 1\n"

    async with serving(listen(Address("127.0.0.1", 0)), text, "sécret") as address:
        for wrong in ("", "secret", "sécret2"):
            assert (await get(address, "/metrics", wrong))[0] == 401
        assert (await get(address, "/metrics", "sécret"))[0] == 200
        assert (await get(address, "/healthz"))[0] == 200, "probes have no token"


async def test_a_server_that_is_away_is_a_503() -> None:
    async def text() -> str:
        raise StorageUnavailable("Redis at x does not answer.")

    async with serving(listen(Address("127.0.0.1", 0)), text) as address:
        assert await get(address, "/metrics") == (503, "Redis at x does not answer.\n")
        assert await get(address, "/healthz") == (200, "ok\n")
