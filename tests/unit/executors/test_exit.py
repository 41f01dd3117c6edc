"""Every end has its own readable reason."""

from __future__ import annotations

import pytest

from clearq.executors.exit import Exit

EVIDENCE = "the kernel's out-of-memory killer struck once in this memory cgroup while the task ran"


@pytest.mark.parametrize(
    ("end", "status", "reason", "code"),
    [
        (Exit(code=0), "completed", "", 0),
        (Exit(code=3), "failed", "exit code 3", 3),
        (Exit(code=127), "failed", "exit code 127 (a command was not found)", 127),
        (Exit(code=126), "failed", "exit code 126 (a command could not be executed)", 126),
        (Exit(code=139), "failed", "exit code 139 (a command was ended by SIGSEGV)", 139),
        (Exit(code=200), "failed", "exit code 200", 200),
        (Exit(signal=11), "failed", "ended by SIGSEGV (segmentation fault)", 139),
        (Exit(signal=9), "failed", "killed by SIGKILL, not by clearq", 137),
        (Exit(signal=9, killed=True), "failed", "killed by clearq", 137),
        (
            Exit(signal=9, oom=True, evidence=EVIDENCE),
            "failed",
            "killed by SIGKILL, probably by the kernel's out-of-memory killer",
            137,
        ),
        (Exit(signal=9, timed_out=True, time_limit=60.0), "failed", "ran longer than its time limit of 60 s", 137),
        (Exit(code=0, timed_out=True, time_limit=0.5), "failed", "ran longer than its time limit of 0.5 s", 0),
    ],
)
def test_ends_are_told_apart(end: Exit, status: str, reason: str, code: int) -> None:
    outcome = end.outcome()
    assert (outcome.status, outcome.reason, outcome.exit_code) == (status, reason, code)


@pytest.mark.parametrize("end", [Exit(code=0), Exit(signal=15), Exit(signal=9, killed=True)])
def test_stopped_is_stopped_however_it_ended(end: Exit) -> None:
    outcome = end.outcome(stopped=True)
    assert (outcome.status, outcome.reason) == ("stopped", "stopped on request")


def test_message_tells_the_rest() -> None:
    end = Exit(code=1, leftovers=2, survivors=(7, 8), evidence=EVIDENCE)
    assert end.outcome().message == (
        f"{EVIDENCE}; 2 processes outlived the main process and had to be ended; could not be ended: 7, 8"
    )
    assert Exit(code=0, evidence=EVIDENCE).outcome().message == ""
