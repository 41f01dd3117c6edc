"""What the server itself can attest of a holder's silence, for a reaper that has just begun.

A reaper trusts only what it has seen. When a host dies and nobody else was there, the one that is started next would
wait a whole window from its own first look. So it asks once how old the last heartbeat is by the server's clock, and
believes the answer if the server was certainly there meanwhile: it has run for long, and between that heartbeat and
now there is no gap, longer than a reaper itself may be held up, without a trace of somebody's work.
"""

from __future__ import annotations

from clearq.errors import StorageDenied
from clearq.storage import Storage

#: Entries of each event stream that are looked through for traces.
TRACES = 200


async def attested(storage: Storage, longest_gap: float, window: float) -> dict[str, float]:
    """Holder to seconds of silence, for those whose silence is certain.

    At most the window less one gap, so that whoever lives has that long to show it. Raises StorageUnavailable.
    """
    try:
        server = await storage.command("INFO", "server", patience=0)
    except StorageDenied:
        return {}
    if int(server.get("uptime_in_seconds", 0)) <= window:
        return {}  # it was away
    keys = storage.keys
    (whole, micro), beats, *streams = await storage.commands(
        [
            ("TIME",),
            ("ZRANGE", keys("workers"), 0, -1, "WITHSCORES"),
            *(("XREVRANGE", keys(name), "+", "-", "COUNT", TRACES) for name in ("events", "events.fn")),
        ],
        patience=0,
    )
    now = int(whole) + int(micro) / 1e6
    seen = {holder: float(ms) / 1000 for holder, ms in zip(beats[::2], beats[1::2], strict=True)}
    traces = [int(entry[0].partition("-")[0]) / 1000 for stream in streams for entry in stream]
    since = _without_gap(now, [*seen.values(), *traces], longest_gap)
    most = max(0.0, window - longest_gap)
    return {holder: min(now - at, most) for holder, at in seen.items() if since <= at <= now}


def _without_gap(now: float, traces: list[float], longest: float) -> float:
    """Since when there is no longer gap between two traces."""
    since = now
    for at in sorted(traces, reverse=True):
        if since - at > longest:
            break
        since = min(since, at)
    return since
