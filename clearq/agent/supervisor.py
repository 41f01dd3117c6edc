"""The small process that looks after one attempt: ``python -m clearq.agent.supervisor <attempt folder>``.

It stands in a session of its own and needs no agent once it has begun; the agent may end, crash or be replaced
meanwhile. Agents start it by a fork of one that has all imports done: ``--nursery``, see :mod:`clearq.agent.nursery`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from clearq.agent import supervision
from clearq.agent.folders import AttemptFolder
from clearq.agent.nursery import serve
from clearq.executors.host import this_host
from clearq.telemetry import configure_logging

log = logging.getLogger("clearq.supervisor")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one attempt to its end. Exit code 0: its outcome is written down."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--nursery"]:
        return serve(look_after)
    if len(words) != 1:
        sys.stderr.write("usage: python -m clearq.agent.supervisor ATTEMPT_FOLDER\n")
        return 2
    return look_after(Path(words[0]))


def look_after(path: Path) -> int:
    """Supervise the attempt in that folder, if nobody else does."""
    folder = AttemptFolder(path)
    attempt = folder.attempt()
    if attempt is None or not folder.own(this_host().boot_id):
        return 0  # it was given up before we began
    _log_to(folder.path / "supervisor.log")
    os.chdir(folder.path)
    outcome = asyncio.run(supervision.run(attempt, folder, _on_signal))
    folder.note_outcome(outcome)
    log.info("%s %s", outcome.status, outcome.reason)
    return 0


def _on_signal(running: supervision.Supervision, number: signal.Signals) -> None:
    """Somebody ends the host's processes: end the task in good order, and let it run elsewhere."""
    if number == signal.SIGTERM:
        running.give_up(f"its supervisor was ended by {number.name}")


def _log_to(path: Path) -> None:
    """Our own words go to a file: the terminal of the agent may be gone long before we are."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    configure_logging("INFO")


if __name__ == "__main__":
    sys.exit(main())
