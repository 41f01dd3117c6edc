"""A short soak: functions of all kinds while a process is killed; nothing is lost, doubled or left behind."""

from __future__ import annotations

import pytest

from tests.benchmarks.common import place
from tests.benchmarks.soak.memory import MB
from tests.benchmarks.soak.run import Extent, soak


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_nothing_is_lost_doubled_or_left() -> None:
    extent = Extent(20.0, rate=100.0, kill_every=6.0, sample_every=2.0)
    async with place() as here:
        result = await soak(here, extent, print, outlive=False)
    assert result.ledger.faults == []
    assert result.ledger.unsettled() == 0
    assert result.ledger.asked > 100
    assert result.kills > 0
    assert result.slots > 0
    assert result.left == [], "whatever has no lifetime stays for ever"
    parent, client = result.memory.taken["parent"], result.memory.taken["client"]
    assert parent[-1] - parent[1] < 8 * MB
    assert client[-1] - client[1] < 16 * MB
