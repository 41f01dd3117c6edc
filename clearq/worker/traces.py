"""Tracebacks as the author of a function wants to see them: without what clearq does above their first line."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

_OWN = f"{Path(__file__).parents[1]}{os.sep}"

#: What clearq calls user code through.
_CARRIERS = (
    f"{Path(asyncio.__file__).parent}{os.sep}",
    f"{Path(importlib.__file__).parent}{os.sep}",
    "<frozen importlib",
    contextlib.__file__,
)


class Elsewhere(Exception):
    """The cause of an error that came from another process: its traceback there, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def traceback_of(error: BaseException) -> str:
    """The traceback of ``error`` and of those behind it, each from its first frame of user code on.

    One that has no frame of user code is left whole.
    """
    whole = traceback.TracebackException.from_exception(error, compact=True)
    if isinstance(error.__cause__, Elsewhere) and _leading(whole.stack) == len(whole.stack):
        return str(error.__cause__.args[0])
    for each in _chain(whole):
        leading = _leading(each.stack)
        if leading < len(each.stack):
            del each.stack[:leading]
    return "".join(whole.format())


def _leading(stack: traceback.StackSummary) -> int:
    """How many frames stand above the first of user code."""
    for number, frame in enumerate(stack):
        if not frame.filename.startswith((_OWN, *_CARRIERS)):
            return number
    return len(stack)


def _chain(first: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    waiting = [first]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += [other for other in (each.__cause__, each.__context__, *(each.exceptions or ())) if other]
