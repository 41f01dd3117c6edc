"""Options: what is refused, what travels, how long a pause is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from clearq.errors import UsageError
from clearq.functions.options import Options, trace_of


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": 1001},
        {"delay": 1, "at": 2},
        {"delay": -1},
        {"queue": ""},
        {"unique_mode": "time"},
        {"unique_mode": "never"},
        {"at": datetime(2026, 1, 1)},
        {"timeout": 0},
        {"retries": -1},
        {"retry_delay": -1},
        {"retry_jitter": 2},
        {"keep_result": -1},
        {"where": "moon"},
        {"after_rule": "some"},
        {"gpus": -1},
        {"gpus": 1, "where": "process"},
        {"priorty": 1},
    ],
)
def test_mistakes_are_refused(changes: Any) -> None:
    with pytest.raises(UsageError):
        Options().with_(changes)


def test_only_differences_travel() -> None:
    declared = Options(timeout=5, retries=3)
    assert declared.travelling(declared) == ""
    assert Options(timeout=5, retries=3, queue="other", priority=4).travelling(declared) == ""
    changed = declared.with_({"timeout": None, "where": "thread"})
    travelled = changed.travelling(declared, trace="00-a-b-01").encode()
    assert declared.merged(travelled) == changed
    assert trace_of(travelled) == "00-a-b-01"
    assert trace_of(b'{"retries":1}') == trace_of(b"") == ""
    assert declared.merged(b"") is declared


@pytest.mark.parametrize("travelled", [b"{", b"3", b'{"timeout": -1}', b'{"where": "moon"}'])
def test_damaged_options_are_an_error(travelled: bytes) -> None:
    with pytest.raises(UsageError):
        Options().merged(travelled)


def test_an_unknown_option_of_a_newer_client_is_no_error() -> None:
    assert Options().merged(b'{"colour": "red"}') == Options()


def test_the_pause_doubles_to_its_bound() -> None:
    options = Options(retry_delay=2, retry_delay_max=30)
    assert [options.pause(failures, lambda: 0.0) for failures in (1, 2, 3, 4, 5, 5000)] == [2, 4, 8, 16, 30, 30]
    assert options.pause(2, lambda: 1.0) == 3
