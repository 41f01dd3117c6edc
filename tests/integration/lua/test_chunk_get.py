"""chunk_get: one chunk after another."""

from __future__ import annotations

from tests.support.bench import Bench


async def test_chunks_are_read(bench: Bench) -> None:
    await bench.call("chunk_put", "t1", "args.n1", "0", "12345", "10")
    await bench.refuse("chunk_get", "t1", "args.n1", "0", answer=["chunk", "12345"])
    await bench.refuse("chunk_get", "t1", "args.n1", "1", answer=["missing"])
    await bench.refuse("chunk_get", "t1", "args.n2", "0", answer=["missing"])
