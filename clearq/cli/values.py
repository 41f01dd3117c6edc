"""Values of flags: ``1h30m``, ``NAME=value``, ``512M``. Pure; each refuses with what it expected."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence

from clearq.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SIZES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def seconds(text: str) -> float:
    """``90``, ``1.5h``, ``1h30m`` as seconds."""
    compact = text.replace(" ", "").lower()
    try:
        value = float(compact)
    except ValueError:
        parts = _PART.findall(compact)
        if not parts or "".join(number + unit for number, unit in parts) != compact:
            raise ArgumentTypeError(f"not a duration: {text[:40]!r} (write 90, 30s, 10m, 1h30m or 2d)") from None
        value = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 <= value < 1e10:
        raise ArgumentTypeError(f"not a duration: {text[:40]!r} (write 90, 30s, 10m, 1h30m or 2d)")
    return value


def size(text: str) -> int:
    """``512M``, ``16GB``, ``1048576`` as bytes (powers of 1024)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgt]?)i?b?", text.strip().lower())
    if match is None:
        raise ArgumentTypeError(f"not a size: {text[:40]!r} (write 512M, 16G or bytes)")
    return int(float(match[1]) * _SIZES[match[2]])


def count(text: str) -> int:
    """A whole number from 0."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ArgumentTypeError(f"not a number from 0: {text[:40]!r}")
    return int(text)


def place(text: str) -> int:
    """A place in a queue, counted from 1 (the head)."""
    value = count(text)
    if value < 1:
        raise ArgumentTypeError("places are counted from 1, the head of the queue")
    return value


def environment(words: Sequence[str], present: Mapping[str, str]) -> dict[str, str]:
    """``NAME=value`` as given, ``NAME`` with the value it has here. Raises UsageError."""
    result: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or "\0" in word:
            raise UsageError(f"--env takes NAME=value or NAME, not {word[:40]!r}")
        if not equals and name not in present:
            raise UsageError(f"--env {name}: it is not set here; write --env {name}=value")
        result[name] = value if equals else present[name]
    return result


def setting(word: str) -> tuple[str, str]:
    """``Section/name=value`` as name and value. Raises UsageError."""
    name, equals, value = word.partition("=")
    section, slash, rest = name.partition("/")
    if not (equals and slash and section and rest):
        raise UsageError(f"--set takes Section/name=value, such as Args/lr=0.1, not {word[:60]!r}")
    return name, value
