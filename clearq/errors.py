"""Every error that clearq raises on purpose, in one tree.

ClearqError
├── UsageError                 the call itself is wrong (also a ValueError)
│   ├── ConfigurationError     a setting, flag or configuration file is wrong
│   ├── SpecError              a task's description cannot be used
│   └── PayloadError           arguments or a result cannot travel, or do not fit the function
├── NotFoundError              no such task, queue, worker or artifact (also a LookupError)
│   ├── TaskNotFound
│   └── QueueNotFound
├── ConflictError              the present state does not allow it
│   ├── StatusConflict         the task's status forbids the change
│   ├── QueueExists
│   ├── QueueNotEmpty
│   ├── NameTaken              a live worker carries that name
│   └── Stale                  the attempt's fence is no longer valid
├── StorageError               Redis or Valkey cannot do it
│   ├── StorageUnavailable     not reachable, or away for now: trying again may help
│   ├── StorageDenied          wrong password or missing ACL right
│   ├── StorageFull            ``maxmemory`` reached
│   ├── StorageTooOld          server older than 6.2
│   └── SchemaMismatch         data written by an incompatible clearq
├── EnvironmentFailed          an attempt could not be prepared (git, diff, packages, disk)
├── ArtifactError              an artifact could not be stored or read
│   ├── ArtifactFull           ... there is no room for it
│   └── ArtifactMissing        ... it is not where it was stored
├── TaskFailed                 raised by waiting calls when the awaited task failed
│   └── FunctionFailed         ... a function: with the type, message and traceback of what it raised
└── WaitTimeout                raised by waiting calls (also a TimeoutError)

An error's message says what is wrong and what to do about it; the command line prints it as it is.
"""

from __future__ import annotations

__all__ = [
    "ArtifactError",
    "ArtifactFull",
    "ArtifactMissing",
    "ClearqError",
    "ConfigurationError",
    "ConflictError",
    "EnvironmentFailed",
    "FunctionFailed",
    "NameTaken",
    "NotFoundError",
    "PayloadError",
    "QueueExists",
    "QueueNotEmpty",
    "QueueNotFound",
    "SchemaMismatch",
    "SpecError",
    "Stale",
    "StatusConflict",
    "StorageDenied",
    "StorageError",
    "StorageFull",
    "StorageTooOld",
    "StorageUnavailable",
    "TaskFailed",
    "TaskNotFound",
    "UsageError",
    "WaitTimeout",
]


class ClearqError(Exception):
    """Something went wrong in clearq."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class UsageError(ClearqError, ValueError):
    """The call is wrong."""


class ConfigurationError(UsageError):
    """A setting is wrong."""


class SpecError(UsageError):
    """The task's description cannot be used."""


class PayloadError(UsageError):
    """The arguments or the result cannot be used."""


class NotFoundError(ClearqError, LookupError):
    """There is nothing of that name."""


class TaskNotFound(NotFoundError):
    """There is no such task."""


class QueueNotFound(NotFoundError):
    """There is no such queue."""


class ConflictError(ClearqError):
    """The present state does not allow this."""


class StatusConflict(ConflictError):
    """The task's status does not allow this change."""


class QueueExists(ConflictError):
    """A queue of that name exists."""


class QueueNotEmpty(ConflictError):
    """Tasks still name this queue."""


class NameTaken(ConflictError):
    """A live worker carries that name."""


class Stale(ConflictError):
    """The attempt's fence is no longer valid: the task was given to somebody else."""


class StorageError(ClearqError):
    """Redis or Valkey could not do this."""


class StorageUnavailable(StorageError):
    """Redis or Valkey cannot be reached."""


class StorageDenied(StorageError):
    """Redis or Valkey refused the credentials."""


class StorageFull(StorageError):
    """Redis or Valkey is out of memory (maxmemory reached)."""


class StorageTooOld(StorageError):
    """The server is too old; clearq needs Redis 6.2 or Valkey."""


class SchemaMismatch(StorageError):
    """The data was written by an incompatible version of clearq."""


class EnvironmentFailed(ClearqError):
    """The attempt's environment could not be prepared."""


class ArtifactError(ClearqError):
    """The artifact could not be stored or read."""


class ArtifactFull(ArtifactError):
    """There is no room for it: trying again does not help."""


class ArtifactMissing(ArtifactError, LookupError):
    """It is not where it was stored: deleted, or this process looks in another place."""


class TaskFailed(ClearqError):
    """The awaited task failed."""


class FunctionFailed(TaskFailed):
    """The awaited function failed or was stopped."""

    def __init__(
        self,
        message: str | None = None,
        *,
        type: str = "",
        cause: str = "",
        traceback: str = "",
        status: str = "failed",
    ) -> None:
        super().__init__(message)
        self.type = type  #: name of the exception that it raised
        self.cause = cause  #: that exception's own message
        self.traceback = traceback  #: as the worker printed it
        self.status = status  #: failed or stopped


class WaitTimeout(ClearqError, TimeoutError):
    """The wait took longer than asked for."""
