"""``output.log``: everything is in it, and it is bounded."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from pathlib import Path

import pytest

from clearq.executors.output import Frame, OutputLog, read_frames


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "output.log"


async def test_frames_come_back_as_they_went_in(path: Path) -> None:
    log = OutputLog(path, clock=lambda: 12.5)
    await log.write("stdout", b"a\n@0 stdout 3\nb")
    await log.write("stderr", b"\xff\x00")
    log.say("hello")
    frames, end = log.read(0, 1_000_000)
    assert frames == [
        Frame(12.5, "stdout", b"a\n@0 stdout 3\nb"),
        Frame(12.5, "stderr", b"\xff\x00"),
        Frame(12.5, "clearq", b"hello\n"),
    ]
    assert end == log.end
    assert log.read(end, 1_000) == ([], end)
    log.close()
    log.close()
    assert list(read_frames(path)) == frames
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_frame_cut_by_a_kill_is_left_out(path: Path) -> None:
    log = OutputLog(path)
    await log.write("stdout", b"whole")
    await log.write("stdout", b"cut off")
    log.close()
    os.truncate(path, path.stat().st_size - 3)
    assert [frame.data for frame in read_frames(path)] == [b"whole"]


async def test_reading_is_by_portions(path: Path) -> None:
    log = OutputLog(path)
    for number in range(10):
        await log.write("stdout", b"%d" % number * 100)
    frames, position = log.read(0, 1)
    assert len(frames) == 1
    frames, position = log.read(position, 200)
    assert 1 <= len(frames) < 9
    log.close()


async def test_full_file_holds_the_writer_until_all_is_shipped(path: Path) -> None:
    log = OutputLog(path, limit=1_000)
    await log.write("stdout", b"x" * 1_200)
    waiting = asyncio.create_task(log.write("stdout", b"later"))
    await asyncio.sleep(0)
    assert not waiting.done()
    position = log.end
    log.shipped(position - 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    log.shipped(position)
    await waiting
    assert path.stat().st_size < 1_000
    frames, _ = log.read(position, 10_000)
    assert [frame.stream for frame in frames] == ["clearq", "stdout"]
    assert b"begins anew" in frames[0].data
    assert frames[1].data == b"later"
    log.close()


async def test_a_full_disk_loses_output_but_not_the_attempt(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly full: it takes short chunks. What is left out is said once, and summed up when that is over."""
    now = 100.0
    log = OutputLog(path, clock=lambda: now)
    real = os.pwrite

    def nearly_full(handle: int, data: bytes, offset: int) -> int:
        if len(data) > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data, offset)

    monkeypatch.setattr(os, "pwrite", nearly_full)
    for _ in range(3):
        await log.write("stdout", bytes(200))
        await log.write("stdout", b"short\n")
    monkeypatch.setattr(os, "pwrite", real)
    now += 10
    await log.write("stdout", b"last\n")
    await log.write("stdout", bytes(200))
    assert log.lost == 600
    assert [frame.data for frame in log.read(0, 10_000)[0]] == [
        b"the disk is full: output is left out\n",
        *[b"short\n"] * 3,
        b"the disk was full: 600 bytes of output were left out\n",
        b"last\n",
        bytes(200),
    ]
    log.sum_up()
    assert len(log.read(0, 10_000)[0]) == 7
    log.close()


async def test_what_was_left_out_is_summed_up_at_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = OutputLog(path)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    await log.write("stdout", b"lost")
    monkeypatch.setattr(os, "pwrite", real)
    log.sum_up()
    assert [frame.data for frame in log.read(0, 10_000)[0]] == [b"the disk was full: 4 bytes of output were left out\n"]
    log.close()
