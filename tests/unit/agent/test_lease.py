"""A supervisor's lease: what a heartbeat brings, and when work may start."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from clearq.agent.lease import START_WINDOW, Interrupted, Lease
from clearq.errors import StorageUnavailable
from clearq.models import Beat


class Server:
    """Answers heartbeats as the test says; an exception is raised."""

    def __init__(self) -> None:
        self.answer: Beat | Exception = Beat()
        self.rejoined = True
        self.asked_to_rejoin = 0
        self.beaten = asyncio.Event()
        self.workers = self.attempts = self

    async def beat(self, holder: str, fences: dict[str, str]) -> Beat:
        assert (holder, fences) == ("h", {"t": "1.x"})
        self.beaten.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def rejoin(self, task: str, fence: str, holder: str) -> bool:
        self.asked_to_rejoin += 1
        return self.rejoined

    async def wait_bell(self, holder: str, timeout: float) -> bool:
        await asyncio.Event().wait()
        return True


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> SimpleNamespace:
    return SimpleNamespace(now=1000.0)


@pytest.fixture
def lease(server: Server, clock: SimpleNamespace) -> Lease:
    return Lease(server, task="t", fence="1.x", holder="h", heartbeat=0.01, clock=lambda: clock.now)


async def test_nothing_starts_before_the_server_has_answered(lease: Lease, server: Server):
    server.answer = StorageUnavailable("away")
    async with lease.kept():
        await server.beaten.wait()
        assert not lease.fresh
        server.answer = Beat()
        await asyncio.wait_for(lease.until_fresh(), 10)
        assert lease.fresh


async def test_an_old_answer_is_none(lease: Lease, server: Server, clock: SimpleNamespace):
    async with lease.kept():
        await asyncio.wait_for(lease.until_fresh(), 10)
        server.answer = StorageUnavailable("away")
        clock.now += START_WINDOW
        assert not lease.fresh


async def test_a_stop_interrupts_what_is_being_prepared(lease: Lease, server: Server):
    server.answer = Beat(stop=("t",))
    async with lease.kept():
        with pytest.raises(Interrupted):
            await lease.unless_ended(asyncio.Event().wait())
    assert lease.stop and not lease.lost


async def test_a_stop_of_another_task_is_not_ours(lease: Lease, server: Server):
    server.answer = Beat(stop=("u",), lost=("v",))
    async with lease.kept():
        await asyncio.wait_for(lease.until_fresh(), 10)
    assert not lease.stop and not lease.lost


@pytest.mark.parametrize("answer", [Beat(gone=True), Beat(lost=("t",))])
async def test_thought_dead_it_goes_on_when_nobody_else_has_the_task(lease: Lease, server: Server, answer: Beat):
    server.answer = answer
    async with lease.kept():
        await asyncio.wait_for(lease.until_fresh(), 10)
    assert server.asked_to_rejoin and not lease.lost


@pytest.mark.parametrize("answer", [Beat(gone=True), Beat(lost=("t",))])
async def test_thought_dead_it_ends_when_the_task_was_given_away(lease: Lease, server: Server, answer: Beat):
    server.answer, server.rejoined = answer, False
    async with lease.kept():
        await asyncio.wait_for(lease.until_ended(), 10)
        with pytest.raises(Interrupted):
            await lease.until_fresh()
    assert lease.lost and not lease.fresh
