"""What reaches the log: one line a record, and no secret."""

from __future__ import annotations

import logging

import pytest

from clearq.telemetry import configure_logging, mask_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:s3cret@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:s3cret@host", "redis://:***@host"),
        ("CLEARQ_API_SECRET_KEY=abc,next", "CLEARQ_API_SECRET_KEY=***,next"),
        ("password: abc", "password: ***"),
        ("https://example.org/a@b", "https://example.org/a@b"),
    ],
)
def test_secrets_become_stars(text: str, shown: str) -> None:
    assert mask_secrets(text) == shown


def test_a_name_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("clearq")
    before, logger.handlers = logger.handlers, []
    try:
        configure_logging()
        logging.getLogger("clearq.agent").info("task %s starts", "we\nird" + "x" * 10_000)
    finally:
        logger.handlers = before
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "task we\\nird" in shown
    assert len(shown) < 2_100
