"""A clock that stands still until a test lets time pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clearq.errors import UsageError

#: 2026-01-01T00:00:00Z: where a clock starts.
START = 1_767_225_600.0


@dataclass
class ManualClock:
    """Seconds since the epoch, standing still."""

    now: float = START
    heard: list[Callable[[], None]] = field(default_factory=list, repr=False)  #: called when it has moved

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises UsageError for a step back."""
        if seconds < 0:
            raise UsageError("A clock does not go back: advance by 0 or more seconds.")
        self.now += seconds
        for each in list(self.heard):
            each()
