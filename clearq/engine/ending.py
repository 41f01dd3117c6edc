"""Waiting for the end of a task: by a bell, and by the truth when no bell rang."""

from __future__ import annotations

import asyncio
import secrets
import time

from clearq.engine.answers import missing_task
from clearq.errors import StorageUnavailable, WaitTimeout
from clearq.storage import Storage

#: Seconds after which a waiting client asks again even if no bell rang.
_LOOK_AGAIN = 30.0


async def until_ended(storage: Storage, task_id: str, timeout: float | None) -> None:
    """Until the task has ended. Raises WaitTimeout after ``timeout`` seconds, TaskNotFound."""
    client = f"client.{secrets.token_hex(8)}"
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        answer = await storage.script("wait", task_id, client)
        if answer[0] == "missing":
            raise missing_task(task_id)
        if answer[0] == "ended":
            return
        left = _LOOK_AGAIN if deadline is None else min(_LOOK_AGAIN, deadline - time.monotonic())
        if left <= 0:
            words = f"Task {task_id} is still {answer[1]} after {timeout:.3g} s."
            hint = f" What it waits for: `clearq task why {task_id}`." if answer[1] == "queued" else ""
            raise WaitTimeout(words + hint)
        try:
            await storage.block("BLPOP", storage.keys("bell", client), max(left, 0.01), timeout=left)
        except StorageUnavailable:
            await asyncio.sleep(min(left, 0.1))  # asking again has the patience for a server that is away
