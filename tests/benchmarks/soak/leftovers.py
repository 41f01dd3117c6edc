"""What is still in the server when all calls have ended."""

from __future__ import annotations

from clearq.engine import Engine
from tests.benchmarks.soak.app import KEEP

#: Beginnings of keys that may stay: the queues, who works, what happened and how often.
STAYS = (
    *("meta", "queues", "queue:", "workers", "worker:", "labels", "beats", "events", "events.fn", "series:"),
    *("cron", "idle:", "duty:", "bell:", "todo", "tally", "declared:"),
)


async def leftovers(engine: Engine) -> list[str]:
    """Keys that neither belong there for good nor go with their results' lifetime."""
    storage, tag = engine.storage, engine.storage.keys.meta.removesuffix("meta")
    found: list[str] = []
    cursor: int | str = 0
    while True:
        cursor, keys = await storage.command("SCAN", cursor, "COUNT", 1000)
        lives = await storage.commands([("PTTL", key) for key in keys])
        for key, life in zip(keys, lives, strict=True):
            name = str(key).removeprefix(tag)
            expires = name.startswith(("t:", "unique:", "waiters:", "permits:")) and 0 <= life <= (KEEP + 5) * 1000
            if life != -2 and not expires and not name.startswith(STAYS):
                found.append(f"{name} (expires in {life} ms)")
        if int(cursor) == 0:
            return sorted(found)
