"""Logging, in one place: format, level, and no secrets in it."""

from __future__ import annotations

import logging
import re
import sys

#: What never stands in a log line: passwords in URLs, and values of keys that name a secret.
_URL_SECRET = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s/:@]*):(?P<secret>[^\s/@]+)@", re.IGNORECASE)
_KEY_SECRET = re.compile(
    r"(?P<head>\b[\w.-]*(?:password|passwd|secret|token|api_key)[\w.-]*\s*[=:]\s*)(?P<secret>[^\s,;'\"&]+)",
    re.IGNORECASE,
)


def mask_secrets(text: str) -> str:
    """Replace what looks like a secret by stars."""
    text = _URL_SECRET.sub(r"\g<head>:***@", text)
    return _KEY_SECRET.sub(r"\g<head>***", text)


#: Names come from users: a line of the log stays one line, and not an endless one.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
_LONGEST = 2_000


class _Masking(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        text = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), record.message)
        record.message = text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return mask_secrets(super().format(record))


def configure_logging(level: str = "INFO") -> None:
    """Send clearq's log to stderr, one line a record. Calling it again only changes the level."""
    logger = logging.getLogger("clearq")
    logger.setLevel(level)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Masking("%(asctime)s %(name)s %(levelname)s - %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
        logger.propagate = False
