"""A tree from outside: how ends are told apart, what reaches the process, what reaches the log."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clearq.errors import EnvironmentFailed, UsageError
from clearq.executors.job import Command
from clearq.executors.proc import LINUX
from clearq.executors.tree import ProcessTree
from clearq.models import Limits
from tests.e2e.executors.running import Run, alive

MakeRun = Callable[[Limits | None], Run]


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("exit 0", "completed", ""),
        ("exit 3", "failed", "exit code 3"),
        ("no-such-program", "failed", "exit code 127 (a command was not found)"),
        ("kill -SEGV $$", "failed", "ended by SIGSEGV (segmentation fault)"),
        ("kill -KILL $$", "failed", "killed by SIGKILL, not by clearq"),
    ],
)
async def test_end_sets_the_status(run: Run, code: str, status: str, reason: str) -> None:
    await run.shell(code)
    end = await run.tree.wait()
    if end.evidence:
        pytest.skip("the kernel's out-of-memory killer was really at work on this host")
    outcome = end.outcome()
    assert (outcome.status, outcome.reason) == (status, reason)


async def test_process_has_its_own_session_and_no_input(run: Run) -> None:
    pid = await run.python(
        """
        import os, sys
        print(os.getpid() == os.getsid(0) == os.getpgid(0), repr(sys.stdin.read()), os.getcwd())
        """
    )
    assert (await run.tree.wait()).code == 0
    assert pid == run.tree.pid != os.getpid()
    assert run.output["stdout"].decode() == f"True '' {run.folder}\n"


async def test_no_descriptor_of_the_supervisor_is_handed_down(run: Run) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    await run.shell(f"if [ -e /dev/fd/{write} ]; then echo leaked; fi")
    await run.tree.wait()
    os.close(read)
    os.close(write)
    assert run.output["stdout"] == b""


async def test_both_streams_arrive_in_order(run: Run) -> None:
    await run.shell("i=0; while [ $i -lt 2000 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done")
    await run.tree.wait()
    assert run.output["stdout"].decode().split() == [f"o{n}" for n in range(2000)]
    assert run.output["stderr"].decode().split() == [f"e{n}" for n in range(2000)]


async def test_output_of_the_last_moment_is_not_lost(run: Run) -> None:
    await run.python("import os; os.write(1, b'x' * 60_000); os.kill(os.getpid(), 9)")
    end = await run.tree.wait()
    assert (end.signal, len(run.output["stdout"])) == (9, 60_000)


async def test_time_limit_ends_the_tree_and_is_named(make_run: MakeRun) -> None:
    run = make_run(Limits(time_limit=0.3, stop_grace=10.0))
    await run.shell("sleep 600 & echo pid $!; wait")
    (child,) = await run.pids(1)
    outcome = (await run.tree.wait()).outcome()
    assert (outcome.status, outcome.reason) == ("failed", "ran longer than its time limit of 0.3 s")
    assert run.remarks == ["time limit of 0.3 s is over: ending the task"]
    assert alive(run.tree.pid, child) == []


async def test_what_cannot_be_executed_is_said(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF no program")
    broken.chmod(0o755)
    with pytest.raises(EnvironmentFailed, match=r"cannot start .*broken'"):
        await run.start(str(broken))
    with pytest.raises(EnvironmentFailed, match="Argument list too long"):
        await Run(tmp_path).start("/bin/echo", *["x" * 100_000] * 50)


async def test_command_needs_a_marker(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CLEARQ_MARKER"):
        await ProcessTree().start(Command(("/bin/true",), tmp_path, {}), Run(tmp_path).sink)


async def test_slow_sink_slows_the_process_down(run: Run, tmp_path: Path) -> None:
    """Nobody buffers what the sink does not take: the writer waits in its pipe."""
    gate = asyncio.Event()

    async def sink(stream: str, chunk: bytes) -> None:
        await gate.wait()
        await Run.sink(run, stream, chunk)

    run.sink = sink  # type: ignore[method-assign]
    mark = tmp_path / "written"
    await run.python(
        f"""
        import os
        written = 0
        for _ in range(100):
            written += os.write(1, b"x" * 100_000)
            open({str(mark)!r}, "w").write(str(written))
        """
    )
    waiting = asyncio.create_task(run.tree.wait())
    blocked = 0
    while blocked < 20:  # the writer sleeps in its write: nothing moves any more
        await asyncio.sleep(0.01)
        state = Path(f"/proc/{run.tree.pid}/wchan").read_text() if LINUX else ""
        blocked = blocked + 1 if "pipe" in state or (mark.exists() and state == "0") else 0
    assert int(mark.read_text() or 0) < 1_000_000
    gate.set()
    assert (await waiting).code == 0
    assert len(run.output["stdout"]) == 10_000_000


async def test_broken_sink_does_not_hang_the_process(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def sink(_stream: str, _chunk: bytes) -> None:
        raise RuntimeError("no place")

    run.sink = sink  # type: ignore[method-assign]
    await run.python("import os; os.write(1, b'x' * 500_000)")
    assert (await run.tree.wait()).code == 0
    assert run.remarks == ["500000 bytes of stdout were lost by an error; the agent's log has it"]
    assert "no place" in caplog.text


@pytest.mark.skipif(not LINUX, reason="needs /proc")
async def test_interrupts_ignored_by_the_supervisor_are_not_ignored_by_the_task(tmp_path: Path) -> None:
    """A shell starts background commands (``agent &``) with SIGINT ignored, and exec would hand that down."""
    code = """
        import asyncio, signal, sys
        from pathlib import Path
        from tests.e2e.executors.running import Run
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        async def main():
            run = Run(Path("."))
            await run.python("import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)")
            await run.tree.wait()
            print(run.output["stdout"].decode(), signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
        asyncio.run(main())
    """
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "\n".join(line[8:] for line in code.splitlines()), stdout=subprocess.PIPE
    )
    output, _ = await done.communicate()
    assert output.split() == [b"True", b"True"]


@pytest.mark.skipif(not LINUX, reason="there are no sub-reapers")
async def test_orphans_that_ended_are_reaped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearq.executors.tree.REAP_EVERY", 0.01)
    await run.python(
        """
        import os, signal
        for _ in range(5):
            if os.fork() == 0:
                if os.fork() == 0:
                    os.setsid()
                    print("pid", os.getpid(), flush=True)
                    os._exit(0)
                os._exit(0)
            os.wait()
        signal.pause()
        """
    )
    waiting = asyncio.create_task(run.tree.wait())
    orphans = await run.pids(5)
    while any(os.path.exists(f"/proc/{pid}") for pid in orphans):
        await asyncio.sleep(0.01)
    os.kill(run.tree.pid, signal.SIGTERM)
    assert (await waiting).signal == signal.SIGTERM
