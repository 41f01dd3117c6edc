"""The measurements still measure: each at its smallest, and only what no busy machine changes is judged."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import crowd, waiting
from tests.benchmarks.common import place
from tests.benchmarks.queues import environments, run
from tests.benchmarks.queues.field import ADAPTERS
from tests.benchmarks.queues.peers import CLEARQ, PEERS, Peer
from tests.benchmarks.queues.report import table


async def test_one_enqueue_wakes_one_of_two_hundred_idle_workers() -> None:
    async with place(heartbeat=1.0) as here:
        cost, woken, burst = await crowd.idle(here, 200, seconds=3.0, enqueues=20)
    assert cost.numbers["commands"] > 100, "all of them beat"
    assert woken.numbers["rings"] == 1
    assert burst.numbers["ms"] > 0


async def test_a_waiting_function_weighs_no_more_than_one_of_arq() -> None:
    async with place() as here:
        # So many that the server's own buffers, some 16 KB for each connection, do not decide.
        rows = await waiting.growing(here, (1_000, 30_000), drained=1_000, claims=3)
    enqueued, weight, claims, drained = rows
    assert weight.kept, weight.measured
    assert enqueued.numbers["per_second"] > 0
    assert claims.numbers["ratio"] > 0
    assert drained.numbers["alone"] > 0


@pytest.mark.parametrize("peer", PEERS.values(), ids=lambda peer: peer.name)
def test_adapters_have_what_the_measures_call(peer: Peer) -> None:
    """Without the peers themselves: they live in environments of their own."""
    tree = ast.parse((ADAPTERS / f"{peer.adapter}.py").read_text(encoding="utf-8"))
    verbs = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert {"connect", "close", "single", "trips", "hold"} | ({"bulk"} if peer.bulk else set()) <= verbs


@pytest.mark.timeout(240)
def test_a_round_of_queues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """clearq as it is installed here, and huey where it can be installed."""
    monkeypatch.setenv("CLEARQ_BENCH_CACHE", str(tmp_path))
    peers = [replace(CLEARQ, uvloop=False, tasks=400)]
    try:
        environments.environment(PEERS["huey"])
        peers.append(replace(PEERS["huey"], tasks=200))
    except RuntimeError as error:
        print(f"huey cannot be installed: {error}")
    install = environments.environment
    here = Path(sys.executable).parent
    monkeypatch.setattr(run, "environment", lambda peer: here if peer.name == "clearq" else install(peer))
    results = run.run(peers, run.Extent(rounds=1, enqueues=50, share=1.0, trips=5, kills=False), print)
    assert results.errors == {}
    for peer in peers:
        assert {"single", "bytes", "drain", "start_p50", "result_p99"} <= results.figures[peer.name].keys()
        assert f"| {peer.name} |" in table(results, [peer.name])
