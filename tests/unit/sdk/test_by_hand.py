"""What proves that a run by hand is dead, and what does not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from clearq.executors.host import this_host
from clearq.executors.proc import look
from clearq.sdk import by_hand
from clearq.sdk.by_hand import proof_of_death, this_process


def test_a_living_process_is_not_dead() -> None:
    assert proof_of_death(this_process(), this_host().boot_id) == ""


def test_a_killed_one_is_and_so_is_a_zombie() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    found = look(process.pid)
    assert found is not None
    named = f"{found.pid} {found.started} {this_process().split()[2]}"
    assert proof_of_death(named, this_host().boot_id) == ""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert str(process.pid) in proof_of_death(named, this_host().boot_id), "a zombie"
    process.wait()
    assert str(process.pid) in proof_of_death(named, this_host().boot_id)


def test_a_later_process_with_its_number_is_another() -> None:
    pid, started, namespace = this_process().split()
    assert "is gone" in proof_of_death(f"{pid} {int(started) - 1} {namespace}", this_host().boot_id)


def test_a_restarted_host_runs_nothing_of_before() -> None:
    assert proof_of_death(this_process(), "another boot") == "its host was restarted"


@pytest.mark.parametrize("process", ["", "1 2", "999999999 1 pid:[other]", "what is this"])
def test_nothing_is_said_of_what_cannot_be_seen(process: str) -> None:
    """A run that said nothing of itself, and one in a container, whose processes have numbers of their own."""
    assert proof_of_death(process, this_host().boot_id) == ""


def test_a_hidden_process_may_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """``/proc`` may show no processes of others."""
    monkeypatch.setattr(by_hand, "look", lambda _: None)
    named = f"{os.getpid()} 1 {os.readlink('/proc/self/ns/pid')}"
    assert proof_of_death(named, this_host().boot_id) == ""
