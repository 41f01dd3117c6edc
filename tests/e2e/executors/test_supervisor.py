"""A whole supervisor from outside: memory, absence of the storage, its own violent death, real memory kills."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from clearq.executors.orphans import become_subreaper
from clearq.executors.output import read_frames
from clearq.executors.proc import LINUX
from clearq.executors.trail import find_tree, kill_tree
from tests.e2e.executors.running import FORKERS, alive

MODULE = "tests.e2e.executors.supervisor"


class Host:
    """Starts one supervisor; it and its tree end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = f"{uuid.uuid4().hex}.1"
        self.process: asyncio.subprocess.Process | None = None

    async def supervise(self, *argv: str, **environ: str) -> asyncio.subprocess.Process:
        return await self.start(sys.executable, "-m", MODULE, str(self.folder), *argv, **environ)

    async def start(self, *argv: str, **environ: str) -> asyncio.subprocess.Process:
        self.process = await asyncio.create_subprocess_exec(
            *argv,
            env={**os.environ, "CLEARQ_MARKER": self.marker, **environ},
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        return self.process

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()
        await kill_tree(self.marker)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path)
    yield host
    await host.end()


async def report(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """What it says at its end."""
    output, _ = await process.communicate()
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(output)
    return answer


async def there(path: Path) -> str:
    """Wait until a file has text."""
    while not path.exists() or not path.read_text():
        await asyncio.sleep(0.02)
    return path.read_text()


def characters(shipped: Path) -> int:
    """What the noise left, without line ends and remarks: a busy machine may cut a line that it prints slowly."""
    with shipped.open() as lines:
        return sum(len(line.rstrip("\n")) for line in lines if "begins anew" not in line)


#: A hundred megabytes: a million lines of 99 characters.
NOISE = """
import os
line = b"".join(b"%07d " % n + b"x" * 91 + b"\\n" for n in range(1000))
for _ in range(1000):
    os.write(1, line)
"""


async def test_hundred_megabytes_do_not_grow_memory(host: Host, tmp_path: Path) -> None:
    end = await report(await host.supervise(sys.executable, "-c", NOISE))
    assert (end["status"], end["left"]) == ("completed", 0)
    assert end["grown"] < 32 * 1024, "KiB"
    assert end["peak"] <= 4 * 65_536
    assert characters(tmp_path / "shipped") == 99_000_000


async def test_output_waits_on_the_disk_while_the_storage_is_away(host: Host, tmp_path: Path) -> None:
    """It is bounded there too: beyond the limit the task waits, and goes on when the storage is back."""
    (tmp_path / "away").touch()
    supervisor = await host.supervise(sys.executable, "-c", NOISE, LOG_LIMIT="20000000")
    log = tmp_path / "output.log"
    while not log.exists() or log.stat().st_size < 20_000_000:
        await asyncio.sleep(0.02)
    pid = int((await there(tmp_path / "pid")).split()[0])
    assert alive(pid) == [pid]
    (tmp_path / "away").unlink()
    end = await report(supervisor)
    assert (end["status"], end["left"]) == ("completed", 0)
    assert characters(tmp_path / "shipped") == 99_000_000
    assert end["grown"] < 32 * 1024
    assert log.stat().st_size < 21_000_000


@pytest.mark.skipif(not LINUX, reason="sub-reapers are Linux's")
async def test_tree_of_a_killed_supervisor_is_ended_by_its_agent(host: Host, tmp_path: Path) -> None:
    become_subreaper()
    supervisor = await host.supervise(
        "/bin/sh", "-c", "echo started; (setsid sh -c 'trap \"\" TERM; sleep 600; true' &); sleep 600"
    )
    pid, started = map(int, (await there(tmp_path / "pid")).split())
    assert supervisor.pid in find_tree(host.marker), "here the supervisor itself was given the marker"
    while len(find_tree(host.marker)) < 5:
        await asyncio.sleep(0.02)
    tree = find_tree(host.marker)
    os.kill(supervisor.pid, signal.SIGKILL)
    await supervisor.wait()
    assert await kill_tree(host.marker, pid, grace=0.1, started=started) == []
    assert not [pid for pid in tree if Path(f"/proc/{pid}").exists()], "not even a zombie stays"
    assert [frame.data for frame in read_frames(tmp_path / "output.log")] == [b"started\n"]


@pytest.mark.skipif(not LINUX, reason="sub-reapers are Linux's")
@pytest.mark.parametrize("way", ["keeps forking", "watch each other"])
async def test_multiplying_tree_of_a_killed_supervisor_is_ended(host: Host, tmp_path: Path, way: str) -> None:
    become_subreaper()
    supervisor = await host.supervise(sys.executable, "-c", FORKERS[way])
    pid, started = map(int, (await there(tmp_path / "pid")).split())
    log = tmp_path / "output.log"
    while b"pid" not in log.read_bytes():
        await asyncio.sleep(0.02)
    os.kill(supervisor.pid, signal.SIGKILL)
    await supervisor.wait()
    assert await kill_tree(host.marker, pid, grace=0.05, started=started) == []
    assert find_tree(host.marker) == []


GREED = """
import os, sys
data = []
while True:
    data.append(bytearray(os.urandom(1) * (4 << 20)))
"""


@pytest.mark.skipif(not LINUX or os.getuid() != 0, reason="makes a memory cgroup")
async def test_real_memory_kill_is_told_from_another_sigkill(host: Host, tmp_path: Path) -> None:
    group = next((path for path in (cgroup_v1(), cgroup_v2()) if path is not None), None)
    if group is None:
        pytest.skip("no memory cgroup can be made here")
    try:
        into = f'echo $$ > {group}/cgroup.procs; exec "$@"'
        greed = f"open('/proc/self/oom_score_adj','w').write('1000')\n{GREED}"
        supervisor = await host.start(
            *("/bin/sh", "-c", into, "sh", sys.executable, "-m", MODULE, str(tmp_path), sys.executable, "-c", greed)
        )
        end = await report(supervisor)
    finally:
        group.rmdir()
    assert end["status"] == "failed"
    assert end["reason"] == "killed by SIGKILL, probably by the kernel's out-of-memory killer"
    assert "in this memory cgroup" in end["message"]
    assert end["exit_code"] == 137


def cgroup_v1() -> Path | None:
    group = Path("/sys/fs/cgroup/memory") / f"clearq-test-{os.getpid()}"
    return limited(group, "memory.limit_in_bytes")


def cgroup_v2() -> Path | None:
    group = Path("/sys/fs/cgroup") / f"clearq-test-{os.getpid()}"
    return limited(group, "memory.max")


def limited(group: Path, file: str) -> Path | None:
    """A memory cgroup of 200 MB without swap, or None where there can be none."""
    try:
        group.mkdir()
        (group / file).write_text(str(200 << 20))
    except OSError:
        if group.is_dir():
            group.rmdir()
        return None
    return group
