"""chunk_put: chunks of a task's blobs, up to what the task may have."""

from __future__ import annotations

from tests.support.bench import Bench


async def test_chunks_are_counted(bench: Bench) -> None:
    first = ("chunk_put", "t1", "args.n1", "0", "12345", "10")
    await bench.check(
        *first, answer=["put"], changed={"chunks:t1": {"args.n1": "5"}, "chunk:t1:args.n1": {"0": "12345"}}
    )
    await bench.refuse(*first, answer=["put"])
    await bench.check(
        *("chunk_put", "t1", "args.n1", "1", "67", "10"),
        answer=["put"],
        changed={"chunks:t1": {"args.n1": "7"}, "chunk:t1:args.n1": {"1": "67"}},
    )
    await bench.check(
        *("chunk_put", "t1", "args.n1", "0", "12", "10"),
        answer=["put"],
        changed={"chunks:t1": {"args.n1": "4"}, "chunk:t1:args.n1": {"0": "12"}},
    )


async def test_all_blobs_of_a_task_share_the_room(bench: Bench) -> None:
    await bench.call("chunk_put", "t1", "args.n1", "0", "123456", "10")
    await bench.refuse("chunk_put", "t1", "artifact.n2", "0", "12345", "10", answer=["full", "6"])
    assert await bench.call("chunk_put", "t1", "artifact.n2", "0", "1234", "10") == ["put"]
    assert await bench.call("chunk_put", "t2", "args.n3", "0", "12345", "10") == ["put"]
    await bench.refuse("chunk_put", "t1", "args.n1", "0", "123456", "5", answer=["put"])
