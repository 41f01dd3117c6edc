"""``Logger``: report scalars, single values and text."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from clearq.models import ScalarPoint
from clearq.sdk.connection import connection
from clearq.sdk.run import Run

if TYPE_CHECKING:
    from clearq.engine import Engine

#: Seconds that ``flush(wait=True)`` waits at most.
FLUSH_TIMEOUT = 30.0

_current: Callable[[], Run | None] = lambda: None  # noqa: E731  # set by the task module


class Logger:
    """Reports for one task. For this process's own run a report never waits for the network.

    Metric means title, variant means series.
    """

    def __init__(self, task_id: str, run: Callable[[], Run | None]) -> None:
        self._task_id = task_id
        self._run = run

    @classmethod
    def current_logger(cls) -> Logger | None:
        """The logger of this process's run, or ``None`` before ``Task.init``."""
        run = _current()
        return cls(run.id, _current) if run is not None else None

    def report_scalar(self, title: str, series: str, value: float, iteration: int) -> None:
        """One value of a metric at an iteration."""
        run = self._run()
        if run is None:
            point = ScalarPoint(title=title, series=series, value=float(value), iteration=int(iteration))
            self._direct(lambda engine: engine.metrics.report(self._task_id, [point]))
            return
        run.outbox.add_scalar(title, series, float(value), int(iteration))

    def report_single_value(self, name: str, value: float) -> None:
        """A value without iterations, such as a final accuracy; the last one counts."""
        run = self._run()
        if run is None:
            self._direct(lambda engine: engine.metrics.single_value(self._task_id, name, float(value)))
            return
        run.outbox.singles.set(name, float(value))
        run.outbox.wake()

    def report_text(
        self, msg: str, level: int = logging.INFO, print_console: bool = True, *args: Any, **ignored: Any
    ) -> None:
        """A line of the task's log, also printed unless ``print_console`` is off. ``msg % args`` is written."""
        text = msg % args if args else str(msg)
        run = self._run()
        if print_console:
            sys.stdout.write(f"{text}\n")
        if run is None:
            self._direct(lambda engine: engine.logs.append(self._task_id, [(time.time(), "stdout", text)]))
        elif not (print_console and run.captures_console):
            run.print(time.time(), "stdout", text)

    def flush(self, wait: bool = False) -> bool:
        """Send what waits; with ``wait`` return when the server has it (``False``: it did not take it in time)."""
        run = self._run()
        if run is None:
            return True
        if wait:
            return run.outbox.flush(FLUSH_TIMEOUT)
        run.outbox.hurry()
        return True

    @staticmethod
    def _direct(action: Callable[[Engine], Coroutine[Any, Any, None]]) -> None:
        connection().call(action)


def follow_current(current: Callable[[], Run | None]) -> None:
    """Tell :meth:`Logger.current_logger` where the process's run is found."""
    global _current
    _current = current
