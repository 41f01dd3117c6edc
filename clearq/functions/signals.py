"""What a function raises to say how its attempt ends, other than by a result or a failure."""

from __future__ import annotations


class Signal(Exception):
    """Base of the four; never seen by a waiting caller."""


class Retry(Signal):
    """Run me again. Counts as a failure, so ``retries`` limits it; after the last one the task fails.

    ``delay`` is seconds; ``None`` takes the task's own backoff.
    """

    def __init__(self, reason: str = "", *, delay: float | None = None) -> None:
        super().__init__(reason or "the function asked for a retry")
        self.delay = delay


class Snooze(Signal):
    """Run me again in ``delay`` seconds, for what I need is not there yet. Counts as nothing."""

    def __init__(self, delay: float, reason: str = "") -> None:
        super().__init__(reason or "the function asked for more time")
        self.delay = delay


class Cancel(Signal):
    """End this task as stopped: no result, no retry, not set aside."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "the function ended itself")


class Fail(Signal):
    """Fail for good, whatever retries are left: ``raise Fail from error``. What is kept is ``error``."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "the function failed for good")
