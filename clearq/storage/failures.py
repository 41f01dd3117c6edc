"""The driver's errors in clearq's words: which kind it is, and what to do."""

from __future__ import annotations

from redis import exceptions as driver

from clearq.errors import StorageDenied, StorageError, StorageFull, StorageUnavailable
from clearq.settings import mask_url
from clearq.storage.wire import ReplyError

#: What the driver raises, and the network beneath it.
FAILURES = (driver.RedisError, ReplyError, OSError, TimeoutError)


def translate(error: BaseException, url: str) -> StorageError:
    """What ``error`` of the driver means to people. ``url``: the server's; its password is not shown."""
    if isinstance(error.__cause__, driver.AuthenticationError):
        error = error.__cause__  # over a unix socket redis-py wraps it in a ConnectionError
    shown, text = mask_url(url), str(error).rstrip(".")
    if isinstance(error, driver.AuthenticationError | driver.NoPermissionError) or text.startswith(
        ("WRONGPASS", "NOAUTH", "NOPERM")
    ):
        return StorageDenied(
            f"The server at {shown} refused this user: {text}. Check user name, password and ACL in CLEARQ_URL."
        )
    if isinstance(error, driver.OutOfMemoryError) or "OOM command not allowed" in text:
        return StorageFull(
            f"The server at {shown} is out of memory (maxmemory reached): new work is refused, running work can "
            "end. Raise maxmemory, or clear queues and delete old tasks."
        )
    if isinstance(error, driver.ConnectionError | driver.TimeoutError | OSError | TimeoutError) or text.startswith(
        ("LOADING", "BUSY ", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN")
    ):
        return StorageUnavailable(
            f"Redis or Valkey at {shown} cannot be reached: {text or type(error).__name__}. "
            "Check that it runs and that CLEARQ_URL names it; `clearq doctor` tells more."
        )
    if text.startswith("MISCONF"):
        return StorageError(f"The server at {shown} cannot save to its disk and refuses writes: {text}")
    return StorageError(f"The server at {shown} answered: {text}")
