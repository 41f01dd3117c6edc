"""The part of ``Task`` for what a task produced: metrics, console output, progress."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from clearq.errors import UsageError
from clearq.models import ScalarPoint
from clearq.sdk.face import TaskHandle
from clearq.sdk.logger import Logger

_AXES: dict[str, Callable[[ScalarPoint], Any]] = {
    "iter": lambda point: point.iteration,
    "timestamp": lambda point: (point.at or 0.0) * 1000,
    "iso_time": lambda point: datetime.fromtimestamp(point.at or 0.0, UTC).isoformat(),
}


class Results(TaskHandle):
    """Report and read back."""

    def get_logger(self) -> Logger:
        """Where this task's reports go."""
        return Logger(self.id, lambda: self._run)

    @property
    def logger(self) -> Logger:
        """The same as :meth:`get_logger`."""
        return self.get_logger()

    def flush(self, wait_for_uploads: bool = False) -> bool:
        """Send what waits; with ``wait_for_uploads`` return when the server has it."""
        return self.get_logger().flush(wait=wait_for_uploads)

    def set_progress(self, progress: int) -> None:
        """Percent done, 0 to 100. Raises :class:`~clearq.errors.UsageError` outside it."""
        if not 0 <= progress <= 100:
            raise UsageError(f"Progress {progress} is out of range: it goes from 0 to 100.")
        if self._run is not None:
            self._run.outbox.progress.set("progress", progress)
            self._run.outbox.wake()
            return
        task_id = self.id
        self._call(lambda engine: engine.tasks.set_progress(task_id, int(progress)))

    def get_progress(self) -> int | None:
        """Percent done, if it was ever set."""
        return self._read().progress

    def get_last_iteration(self) -> int:
        """The highest iteration reported; 0 when there is none."""
        return self._read().last_iteration or 0

    def get_last_scalar_metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        """Title to series to its ``last``, ``min`` and ``max`` value."""
        self.settle()
        task_id = self.id
        metrics: dict[str, dict[str, dict[str, float]]] = {}
        for one in self._call(lambda engine: engine.metrics.summary(task_id)):
            metrics.setdefault(one.title, {})[one.series] = {
                "last": one.last,
                "min": one.min,
                "max": one.max,
            }
        return metrics

    def get_reported_scalars(
        self, max_samples: int = 0, x_axis: str = "iter"
    ) -> dict[str, dict[str, dict[str, list[Any]]]]:
        """Title to series to its points as lists ``x`` and ``y``.

        ``x_axis``: ``iter``, ``timestamp`` (milliseconds) or ``iso_time``. ``max_samples`` 0: all that are
        kept; else about so many of each, evenly picked.
        """
        if x_axis not in _AXES:
            raise UsageError(f"There is no x_axis {x_axis!r}; there are: {', '.join(_AXES)}.")
        self.settle()
        task_id = self.id
        scalars: dict[str, dict[str, dict[str, list[Any]]]] = {}
        for one in self._call(lambda engine: engine.metrics.summary(task_id)):
            points = self._points(task_id, one.title, one.series)
            if not points:
                continue
            step = max(1, -(-len(points) // max_samples)) if max_samples else 1
            scalars.setdefault(one.title, {})[one.series] = {
                "x": [_AXES[x_axis](point) for point in points[::step]],
                "y": [point.value for point in points[::step]],
            }
        return scalars

    def _points(self, task_id: str, title: str, series: str) -> list[ScalarPoint]:
        return self._call(lambda engine: engine.metrics.points(task_id, title, series))

    def get_reported_single_values(self) -> dict[str, float]:
        """Name to value of what ``report_single_value`` reported."""
        self.settle()
        task_id = self.id
        return self._call(lambda engine: engine.metrics.single_values(task_id))

    def get_reported_single_value(self, name: str) -> float | None:
        """One of :meth:`get_reported_single_values`."""
        return self.get_reported_single_values().get(name)

    def get_reported_console_output(self, number_of_reports: int = 1) -> list[str]:
        """The last entries of the log, oldest first; an entry is one or more lines."""
        self.settle()
        task_id = self.id
        lines = self._call(lambda engine: engine.logs.tail(task_id, number_of_reports))
        return [line.text for line in lines]
