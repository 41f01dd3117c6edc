"""What the server itself can attest of a holder's silence: of any by its own clock alone, for a reaper that has seen
the counter change but not exactly when; and more for one that has just begun.

A reaper trusts only what it has seen. When a host dies and nobody else was there, the one that is started next would
wait a whole window from its own first look. So it asks once how old the last heartbeat is by the server's clock, and
believes the answer if the server was certainly there meanwhile: it has run for long, and between that heartbeat and
now there is no gap, longer than half a window, without a trace of somebody's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clearq.errors import StorageDenied
from clearq.storage import Storage

#: Entries of each event stream that are looked through for traces.
TRACES = 200
STREAMS = ("events", "events.fn")


async def ages(storage: Storage, holders: Sequence[str]) -> dict[str, float]:
    """Holder to seconds since its last heartbeat by the server's clock, of those it keeps a time for.

    Worth as much as that clock, which may have jumped meanwhile. Raises StorageUnavailable.
    """
    (whole, micro), scores = await storage.commands(
        [("TIME",), ("ZMSCORE", storage.keys("workers"), *holders)],
        patience=0,
    )
    now = int(whole) + int(micro) / 1e6
    return {holder: now - float(ms) / 1000 for holder, ms in zip(holders, scores, strict=True) if ms is not None}


async def attested(
    storage: Storage, window: float, watched: float, seats: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Holder to seconds of silence, for those whose silence is certain.

    At most the ``window`` less the seconds that they shall be ``watched``, so that whoever lives has that long to
    show it: one whose heartbeat failed sends the next within three. Because of that a gap may be as long as half a
    window: a worker that is started when a host dies leaves its first trace only after some seconds. ``seats``: keys
    that whoever keeps a duty renews to that many seconds; when it last did is a trace, too.

    Raises StorageUnavailable.
    """
    try:
        server = await storage.command("INFO", "server", patience=0)
    except StorageDenied:
        return {}
    if int(server.get("uptime_in_seconds", 0)) <= window:
        return {}  # it was away
    keys = storage.keys
    seats = seats or {}
    (whole, micro), beats, *rest = await storage.commands(
        [
            ("TIME",),
            ("ZRANGE", keys("workers"), 0, -1, "WITHSCORES"),
            *(("XREVRANGE", keys(name), "+", "-", "COUNT", TRACES) for name in STREAMS),
            *(("PTTL", seat) for seat in seats),
        ],
        patience=0,
    )
    streams, left = rest[: len(STREAMS)], rest[len(STREAMS) :]
    now = int(whole) + int(micro) / 1e6
    seen = {holder: float(ms) / 1000 for holder, ms in zip(beats[::2], beats[1::2], strict=True)}
    traces = [int(entry[0].partition("-")[0]) / 1000 for stream in streams for entry in stream]
    traces += [now - lifetime + ms / 1000 for lifetime, ms in zip(seats.values(), left, strict=True) if ms >= 0]
    since = _without_gap(now, [*seen.values(), *traces], max(watched, window / 2))
    most = max(0.0, window - watched)
    return {holder: min(now - at, most) for holder, at in seen.items() if since <= at <= now}


def _without_gap(now: float, traces: list[float], longest: float) -> float:
    """Since when there is no longer gap between two traces."""
    since = now
    for at in sorted((at for at in traces if at <= now), reverse=True):
        if since - at > longest:
            break
        since = min(since, at)
    return since
