"""Exit codes, in one place. ``clearq help exit-codes`` tells them to users."""

from __future__ import annotations

from clearq.errors import (
    ClearqError,
    ConflictError,
    NotFoundError,
    StorageError,
    UsageError,
    WaitTimeout,
)

OK = 0
FAILED = 1  #: the task failed, the answer is no, or an error without a code of its own
USAGE = 2
NOT_FOUND = 3
CONFLICT = 4
STORAGE = 5
TIMEOUT = 124  #: ``--timeout`` passed (the code of coreutils' ``timeout``), or an agent does not start or end in time
INTERRUPTED = 130
BROKEN_PIPE = 141

_CODES: tuple[tuple[type[ClearqError], int], ...] = (
    (UsageError, USAGE),
    (NotFoundError, NOT_FOUND),
    (ConflictError, CONFLICT),
    (StorageError, STORAGE),
    (WaitTimeout, TIMEOUT),
)


def code_of(error: ClearqError) -> int:
    """The exit code that tells scripts what kind of error this was."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
