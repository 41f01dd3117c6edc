"""The driver's errors in clearq's words."""

from __future__ import annotations

import pytest
from redis import exceptions as driver

from clearq.errors import StorageDenied, StorageError, StorageFull, StorageUnavailable
from clearq.storage.failures import translate
from clearq.storage.wire import ReplyError

URL = "redis://:secret@host:6379/0"


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (driver.AuthenticationError("invalid password"), StorageDenied, "refused this user"),
        (ReplyError("NOPERM no permission"), StorageDenied, "ACL"),
        (ReplyError("OOM command not allowed"), StorageFull, "Raise maxmemory"),
        (driver.ConnectionError("Connect call failed."), StorageUnavailable, "failed. Check that it runs"),
        (TimeoutError(), StorageUnavailable, "TimeoutError"),
        (ReplyError("LOADING the dataset"), StorageUnavailable, "clearq doctor"),
        (ReplyError("MISCONF disk"), StorageError, "cannot save"),
        (ReplyError("ERR wrong"), StorageError, "answered: ERR wrong"),
    ],
)
def test_each_has_its_kind_and_says_what_to_do(error: Exception, kind: type[StorageError], told: str) -> None:
    found = translate(error, URL)
    assert type(found) is kind
    assert told in str(found) and ".." not in str(found) and "secret" not in str(found)


def test_a_wrong_password_over_a_socket_is_found_beneath() -> None:
    error = driver.ConnectionError("connection failed")
    error.__cause__ = driver.AuthenticationError("WRONGPASS")
    assert isinstance(translate(error, URL), StorageDenied)
