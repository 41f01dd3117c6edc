"""Other apps in the same lanes: said when a worker begins, for functions that go back and forth are slow."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from clearq.engine import Engine
from clearq.engine.workers import lane_name
from clearq.errors import StorageError
from clearq.models import Lane

log = logging.getLogger("clearq.worker")

#: Workers and functions that the warning names.
NAMED = 3


async def warn_of_others(engine: Engine, lanes: Sequence[Lane], functions: Collection[str]) -> None:
    """Say which live workers of these lanes declare functions that are not among ``functions``, and what to do."""
    try:
        present = await engine.declared.present()
        names = {queue.id: queue.name for queue in await engine.queues.list()}
    except StorageError as error:
        log.debug("%s", error)
        return
    for lane in lanes:
        others = [each for each in present.of(lane_name(lane)) if each.functions and not each.functions <= {*functions}]
        if not others:
            continue
        theirs = sorted(frozenset().union(*(each.functions or () for each in others)) - {*functions})
        log.warning(
            "queue %r: %s declare functions that this app does not, such as %s. Workers of one queue are handed each "
            "other's calls, and those take longer then. If that is another app, give each a name, Clearq(name=...), or "
            "queues of its own; another version of this app does no harm",
            names.get(lane.queue, lane.queue),
            _some([each.label for each in others]),
            _some(theirs),
        )


def _some(words: list[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(sorted(words)[:NAMED]) + more
