"""How a process tree ended, and what that means for its attempt (parity rows B-027, C-014)."""

from __future__ import annotations

import signal as signals
from dataclasses import dataclass

from clearq.models import Outcome

#: What shells mean by their exit codes. 128 + n says that a command of the script was ended by signal n.
_SHELL_CODES = {126: "a command could not be executed", 127: "a command was not found"}


@dataclass(frozen=True)
class Exit:
    """The end of an attempt's main process, and what had to be done about the rest of its tree."""

    code: int | None = None  #: exit code; None when a signal ended it
    signal: int | None = None  #: the signal that ended it
    oom: bool = False  #: SIGKILL, and the kernel's out-of-memory killer was at work meanwhile
    timed_out: bool = False  #: ended by us after ``time_limit``
    killed: bool = False  #: clearq itself sent SIGKILL
    time_limit: float | None = None  #: seconds
    leftovers: int = 0  #: processes that outlived the main process and were ended
    survivors: tuple[int, ...] = ()  #: pids that could not be ended (another user's, or stuck in the kernel)
    evidence: str = ""  #: what the kernel counted, when its out-of-memory killer was at work

    def outcome(self, stopped: bool = False) -> Outcome:
        """Status, reason and exit code; ``stopped``: somebody asked for the end."""
        message = "; ".join(self._remarks())
        if stopped:
            return Outcome(status="stopped", reason="stopped on request", message=message, exit_code=self.exit_code)
        if self.timed_out:
            reason = f"ran longer than its time limit of {self.time_limit or 0:g} s"
            return Outcome(status="failed", reason=reason, message=message, exit_code=self.exit_code)
        status = "completed" if self.code == 0 else "failed"
        return Outcome(status=status, reason=self.reason, message=message, exit_code=self.exit_code)

    @property
    def exit_code(self) -> int | None:
        """As a shell would show it: 128 + the signal's number when a signal ended it."""
        return 128 + self.signal if self.signal is not None else self.code

    @property
    def reason(self) -> str:
        """Why it ended, in one short sentence; empty for exit code 0."""
        if self.signal is not None:
            return "killed by clearq" if self.killed else _killed_by(self.signal, self.oom)
        if not self.code:
            return ""
        if self.code in _SHELL_CODES:
            return f"exit code {self.code} ({_SHELL_CODES[self.code]})"
        if self.code > 128 and (name := _name(self.code - 128)):
            return f"exit code {self.code} (a command was ended by {name}{_OOM if self.oom else ''})"
        return f"exit code {self.code}"

    def _remarks(self) -> list[str]:
        remarks = []
        if self.evidence and self.code != 0:
            remarks.append(self.evidence)
        if self.leftovers:
            remarks.append(f"{_processes(self.leftovers)} outlived the main process and had to be ended")
        if self.survivors:
            pids = ", ".join(map(str, self.survivors))
            remarks.append(f"could not be ended: {pids}")
        return remarks


_OOM = ", probably by the kernel's out-of-memory killer"


def _killed_by(number: int, oom: bool) -> str:
    name = _name(number) or f"signal {number}"
    if oom:
        return f"killed by {name}{_OOM}"
    if number == signals.SIGKILL:
        return f"killed by {name}, not by clearq"
    text = signals.strsignal(number) or ""
    return f"ended by {name} ({text.lower()})" if text else f"ended by {name}"


def _name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return ""


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"
