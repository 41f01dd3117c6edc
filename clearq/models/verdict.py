"""How a function's attempt ended, in the words of the process that ran it. Its supervisor passes it on."""

from __future__ import annotations

from typing import Literal

from clearq.models.base import Frozen

#: Files in the attempt's folder: how it ended; and what holds when the process could not say so in time.
VERDICT, OVERDUE = "verdict.json", "overdue.json"


class Verdict(Frozen):
    """The content of either file."""

    how: Literal["complete", "retry", "fail", "stop", "release"]
    payload: str = ""  #: result or error; each byte is one character
    reason: str = ""
    pause: float | None = None  #: seconds before the next attempt
    since: float = 0.0  #: it holds from here on: seconds of the boot-time clock

    @property
    def data(self) -> bytes:
        """The payload as it is stored."""
        return self.payload.encode("latin-1")
