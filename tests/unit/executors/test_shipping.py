"""The shipper: at once, in batches, over an absent storage, bounded, and honest at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from clearq.errors import Stale, StorageUnavailable
from clearq.executors.lines import LineAssembler
from clearq.executors.output import OutputLog
from clearq.executors.shipping import Shipper


class Store:
    """A storage that can be away, and that drops a repeated number as the engine does."""

    def __init__(self) -> None:
        self.away = False
        self.answer_lost = False
        self.batches: dict[int, list[tuple[float, str, str]]] = {}
        self.calls = 0
        self.got = asyncio.Event()

    async def append(self, lines: Sequence[tuple[float, str, str]], seq: int) -> None:
        self.calls += 1
        if self.away:
            raise StorageUnavailable("the server is away")
        self.batches.setdefault(seq, list(lines))
        if self.answer_lost:
            self.answer_lost = False
            raise StorageUnavailable("the answer was lost")
        self.got.set()

    @property
    def text(self) -> list[tuple[str, str]]:
        return [(stream, text) for seq in sorted(self.batches) for _, stream, text in self.batches[seq]]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[OutputLog]:
    log = OutputLog(tmp_path / "output.log")
    yield log
    log.close()


async def test_first_line_goes_at_once(log: OutputLog, store: Store) -> None:
    shipper = Shipper(log, store.append, every=3600)
    task = asyncio.create_task(shipper.run())
    await log.write("stdout", b"hello\n")
    await store.got.wait()
    assert store.text == [("stdout", "hello")]
    await log.write("stdout", b"second\n")  # within the hour: waits for the drain
    assert await shipper.drain(10) == 0
    await task
    assert store.text == [("stdout", "hello"), ("stdout", "second")]


async def test_neighbours_of_one_stream_share_an_entry(log: OutputLog, store: Store) -> None:
    for chunk in (b"a\n", b"b\n"):
        await log.write("stdout", chunk)
    await log.write("stderr", b"c\n")
    await log.write("stdout", b"no newline")
    shipper = Shipper(log, store.append)
    task = asyncio.create_task(shipper.run())
    assert await shipper.drain(10) == 0
    await task
    assert store.text == [("stdout", "a\nb"), ("stderr", "c"), ("stdout", "no newline")]


async def test_open_line_is_shipped_after_a_quiet_time(log: OutputLog, store: Store) -> None:
    shipper = Shipper(log, store.append, LineAssembler(quiet=0.01))
    task = asyncio.create_task(shipper.run())
    await log.write("stdout", b"question? ")
    await store.got.wait()
    assert store.text == [("stdout", "question? ")]
    task.cancel()


async def test_absence_of_the_storage_loses_and_doubles_nothing(
    log: OutputLog, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearq.executors.shipping.RETRY", 0.001)
    monkeypatch.setattr("clearq.executors.shipping.RETRY_MAX", 0.002)
    store.away = True
    shipper = Shipper(log, store.append, every=0)
    task = asyncio.create_task(shipper.run())
    for number in range(1000):
        await log.write("stdout", b"line %d\n" % number)
    while store.calls < 5:
        await asyncio.sleep(0.001)
    assert store.batches == {}
    store.away, store.answer_lost = False, True
    assert await shipper.drain(10) == 0
    await task
    assert sorted(store.batches) == list(range(1, shipper.batches + 1))
    assert "\n".join(text for _, text in store.text).split("\n") == [f"line {n}" for n in range(1000)]


async def test_batches_are_bounded(log: OutputLog, store: Store) -> None:
    for _ in range(40):
        await log.write("stdout", b"x" * 9_999 + b"\n")
    shipper = Shipper(log, store.append)
    task = asyncio.create_task(shipper.run())
    assert await shipper.drain(10) == 0
    await task
    sizes = [sum(len(text) for _, _, text in batch) for batch in store.batches.values()]
    assert len(sizes) > 3
    assert max(sizes) < 140_000


async def test_drain_says_what_was_left_out(log: OutputLog, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.away = True
    shipper = Shipper(log, store.append)
    task = asyncio.create_task(shipper.run())
    await log.write("stdout", b"never seen\n")
    with caplog.at_level(logging.WARNING, "clearq"):
        left = await shipper.drain(0.01)
    assert left == log.end > 0
    assert f"{left} bytes of output were not shipped" in caplog.text
    task.cancel()


async def test_stale_attempt_ends_shipping(log: OutputLog) -> None:
    async def refuse(_lines: Sequence[tuple[float, str, str]], _seq: int) -> None:
        raise Stale("given to somebody else")

    shipper = Shipper(log, refuse)
    await log.write("stdout", b"late\n")
    with pytest.raises(Stale):
        await shipper.run()
    assert await shipper.drain(10) == log.end


async def test_bar_longer_than_a_batch_does_not_end_the_drain_early(log: OutputLog, store: Store) -> None:
    for number in range(20):
        await log.write("stderr", b"\r%d" % number + b"#" * 9_000)
    await log.write("stderr", b"\rdone\n")
    shipper = Shipper(log, store.append, LineAssembler(progress_every=1e12))
    task = asyncio.create_task(shipper.run())
    assert await shipper.drain(10) == 0
    await task
    assert store.text[-1] == ("stderr", "done")


async def test_line_in_two_chunks_stays_one_however_late_it_is_read(log: OutputLog, store: Store) -> None:
    """Chunks that waited on the disk are old, but not quiet."""
    await log.write("stdout", b"x\n" * 32_768 + b"par")
    await log.write("stdout", b"tial\n")
    shipper = Shipper(log, store.append, clock=lambda: 1e12)
    task = asyncio.create_task(shipper.run())
    assert await shipper.drain(10) == 0
    await task
    assert "\n".join(text for _, text in store.text) == "x\n" * 32_768 + "partial"
