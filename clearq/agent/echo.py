"""Shows tasks' output on this terminal (``--foreground``, and ``clearq agent execute``)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from clearq.engine import Engine
from clearq.errors import ClearqError, StorageError
from clearq.models import Task
from clearq.periodic import end_tasks


def to_stdout(text: str) -> None:
    """Write and flush. A terminal that has gone takes nothing away from the work."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(text)
        sys.stdout.flush()


@dataclass
class Echo:
    """Follows the log of each task that starts here."""

    engine: Engine
    write: Callable[[str], None] = to_stdout
    _following: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def begin(self, task: Task) -> None:
        """Show what ``task`` prints from now on, until it has ended. Call it before the attempt starts."""
        if task.id not in self._following:
            after = "0"
            with contextlib.suppress(ClearqError):
                for line in await self.engine.logs.tail(task.id, 1):
                    after = line.id
            job = asyncio.create_task(self._follow(task.id, after), name=f"echo {task.id}")
            self._following[task.id] = job
            job.add_done_callback(lambda _: self._following.pop(task.id, None))

    async def finish(self) -> None:
        """Wait until all that was printed is shown."""
        await asyncio.gather(*self._following.values(), return_exceptions=True)

    async def close(self) -> None:
        """Show nothing more."""
        await end_tasks(*self._following.values())

    async def _follow(self, task_id: str, after: str) -> None:
        while True:
            try:
                async for line in self.engine.logs.follow(task_id, after):
                    after = line.id
                    self.write(line.text + "\n")
            except StorageError:
                await asyncio.sleep(1.0)
            except ClearqError:
                return
            else:
                return
