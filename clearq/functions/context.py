"""``current()``: the task that this code runs for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event
from types import MappingProxyType
from typing import Any

from clearq.errors import UsageError

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _unheard(fraction: float, text: str) -> None:
    """Progress of a function that no worker runs."""


@dataclass(slots=True)
class Context:
    """One attempt of one function. Made by the worker; user code reads it through :func:`current`."""

    id: str
    name: str
    attempt: int = 1  #: 1 for the first; each failure and each loss of a worker adds one
    failures: int = 0
    losses: int = 0
    enqueued: float = 0.0  #: seconds since the epoch, the server's clock
    app: Any = None
    state: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)  #: what the lifespans yielded
    report: Callable[[float, str], None] = _unheard
    stopping: Event = field(default_factory=Event)
    trace: str = ""  #: the W3C traceparent it was enqueued under

    @property
    def should_stop(self) -> bool:
        """Was this task asked to end? Long loops in threads look here; coroutines are cancelled anyway."""
        return self.stopping.is_set()

    def progress(self, fraction: float, text: str = "") -> None:
        """Say how far it is, 0 to 1. Cheap: it leaves with the next report; may be called from any thread."""
        self.report(min(1.0, max(0.0, fraction)), text)


_current: ContextVar[Context] = ContextVar("clearq_current")

#: For the worker: ``token = enter(context)`` ... ``leave(token)``.
enter = _current.set
leave = _current.reset


def current() -> Context:
    """The context of the running task. Raises UsageError outside one."""
    try:
        return _current.get()
    except LookupError:
        raise UsageError("current() was called outside a task: only a worker runs functions as tasks.") from None
