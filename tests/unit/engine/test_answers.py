"""Refusals in clearq's words."""

from __future__ import annotations

from clearq.engine.answers import missing_task


def test_an_id_that_is_none_is_not_repeated_at_length() -> None:
    assert str(missing_task("0" * 32)).startswith(f"There is no task {'0' * 32}.")
    assert len(str(missing_task("x\n" * 10_000))) < 200
