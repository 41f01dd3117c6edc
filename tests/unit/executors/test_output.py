"""``output.log``: everything is in it, and it is bounded."""

from __future__ import annotations

import asyncio
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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
async def test_full_disk_loses_output_but_not_the_attempt(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = OutputLog(path)
    await log.write("stdout", b"first\n")
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda _handle, data, _offset: os.write(full, data))
    full = os.open("/dev/full", os.O_WRONLY)
    await log.write("stdout", b"lost")
    os.close(full)
    monkeypatch.setattr(os, "pwrite", real)
    await log.write("stdout", b"last\n")
    assert log.lost == 4
    assert [frame.data for frame in log.read(0, 10_000)[0]] == [
        b"first\n",
        b"the disk is full: 4 bytes of output were left out\n",
        b"last\n",
    ]
    log.close()
