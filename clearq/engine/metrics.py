"""Metrics: scalar values that tasks report, with a summary of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clearq.clock import milliseconds, seconds
from clearq.engine.answers import missing_task, stale
from clearq.models.event import ScalarPoint, ScalarSummary
from clearq.storage import Storage, metric_key, split_metric_key

#: Title under which single values stand.
SUMMARY = "Summary"


class Metrics:
    """Report and read. A metric is a title, a variant is a series (rows J-028, J-029)."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def report(
        self, task_id: str, points: Sequence[ScalarPoint], *, fence: str | None = None, seq: int = 0
    ) -> None:
        """Add values. A ``seq`` (from 1, growing within an attempt) that was there before is dropped.

        NaN and infinity are kept as they are; readers that cannot draw them leave them out.
        Raises Stale for an old fence, TaskNotFound.
        """
        flat: list[str] = []
        for point in points:
            at = "" if point.at is None else str(milliseconds(point.at))
            flat += [metric_key(point.title, point.series), str(point.iteration), _text(point.value), at]
        await self._send(task_id, flat, fence, seq)

    async def single_value(self, task_id: str, name: str, value: float, *, fence: str | None = None) -> None:
        """Report one value that has no iterations; the last one counts."""
        await self._send(task_id, [metric_key(SUMMARY, name), "", _text(value), ""], fence, 0)

    async def _send(self, task_id: str, flat: list[str], fence: str | None, seq: int) -> None:
        most = str(self._storage.settings.scalar_points)
        answer = await self._storage.script("report", "", task_id, fence or "", str(seq), most, *flat)
        if answer[0] == "missing":
            raise missing_task(task_id)
        if answer[0] == "stale":
            raise stale(task_id, fence or "")

    async def points(self, task_id: str, title: str, series: str) -> list[ScalarPoint]:
        """All kept values of one metric and variant, in the order they came."""
        key = self._storage.keys.scalar(task_id, metric_key(title, series))
        return [
            ScalarPoint(
                title=title,
                series=series,
                value=float(entry["v"]),
                iteration=int(entry["i"]),
                at=seconds(entry["at"]),
            )
            for _, entry in await self._storage.command("XRANGE", key, "-", "+")
        ]

    async def summary(self, task_id: str) -> list[ScalarSummary]:
        """Last, least and greatest value of each metric and variant; single values have iteration 0."""
        entries = await self._storage.command("HGETALL", self._storage.keys("scalars", task_id))
        return [_decode(metric, text) for metric, text in sorted(entries.items())]

    async def single_values(self, task_id: str) -> dict[str, float]:
        """Name to value of what was reported by :meth:`single_value`."""
        entries = await self._storage.command("HGETALL", self._storage.keys("scalars", task_id))
        values = {}
        for metric, text in entries.items():
            title, name = split_metric_key(metric)
            if title == SUMMARY and text.split()[3] == "-":
                values[name] = float(text.split()[0])
        return values


def _text(value: float) -> str:
    number = float(value)
    return repr(number) if math.isfinite(number) else str(number)


def _decode(metric: str, text: str) -> ScalarSummary:
    title, series = split_metric_key(metric)
    last, least, greatest, iteration, count = text.split()
    return ScalarSummary(
        title=title,
        series=series,
        last=float(last),
        min=float(least),
        max=float(greatest),
        iteration=0 if iteration == "-" else int(iteration),
        count=int(count),
    )
