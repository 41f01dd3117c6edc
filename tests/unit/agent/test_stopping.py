"""An agent that does not end when it is asked to: nobody waits for it for ever, and the error says what to do."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearq.agent import stopping
from clearq.agent.registry import AgentFile, Registry
from clearq.cli.main import main
from clearq.errors import ConflictError, WaitTimeout
from clearq.executors.proc import look
from clearq.settings import Settings

#: It says that it is ready, and ends neither by SIGTERM nor by itself.
DEAF = ["sh", "-c", "trap '' TERM; echo ready; while :; do read line || exec sleep 600; done"]


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[AgentFile]:
    log = tmp_path / "agent.log"
    log.write_text("agent lab1:0\n12:00:00 no heartbeat\n")
    with subprocess.Popen(DEAF, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        found = look(process.pid)
        assert found is not None
        yield AgentFile(label="lab1:0", pid=process.pid, started=found.started, log=str(log))
        process.kill()


async def test_one_that_does_not_end_is_not_awaited_for_ever(deaf: AgentFile):
    with pytest.raises(WaitTimeout) as told:
        await stopping.end(deaf, 0.1)
    text = str(told.value)
    assert f"agent lab1:0 (pid {deaf.pid}) was asked to end and has not in 0.1 s" in text
    assert "ends with: 12:00:00 no heartbeat" in text
    assert f"`kill -9 {deaf.pid}`" in text


async def test_one_that_is_suspended_says_how_to_wake_it(deaf: AgentFile):
    assert stopping.send(deaf.identity, signal.SIGSTOP)
    with pytest.raises(WaitTimeout, match=f"kill -CONT {deaf.pid}"):
        await stopping.end(deaf, 0.1)


async def test_one_that_may_not_be_signalled_is_not_awaited(deaf: AgentFile, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stopping, "send", lambda *_: False)
    with pytest.raises(ConflictError, match="another user"):
        await stopping.end(deaf, 600)


async def test_one_that_has_ended_needs_no_wait(deaf: AgentFile, monkeypatch: pytest.MonkeyPatch):
    await stopping.end(deaf.model_copy(update={"started": deaf.started + 1}), 600)  # its pid is another's by now
    found = look(deaf.pid)
    assert found is not None
    assert found.alive


def test_the_command_ends_with_124_and_says_why(
    deaf: AgentFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CLEARQ_HOME", str(tmp_path))
    monkeypatch.setattr(stopping, "STOP_WITHIN", 0.1)
    held = Registry(Settings()).hold(deaf.label)
    assert held is not None
    held.note(deaf)
    assert main(["agent", "daemon", "--stop", deaf.label]) == 124
    assert f"kill -9 {deaf.pid}" in capsys.readouterr().err
    held.close()
