"""Follow a task to its end: a line that says why it waits, its output, how it ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clearq.cli import exits
from clearq.cli.output import Output
from clearq.cli.status_line import StatusLine
from clearq.cli.text import duration
from clearq.cli.waiting import explain_wait
from clearq.errors import WaitTimeout

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.models import LogLine, Task

#: Log entries asked for at once.
PAGE = 1000

#: Seconds between looks at a task that waits, and at one that runs.
LOOK_WAITING, LOOK_RUNNING = 1.0, 5.0


class LogPrinter:
    """Prints log lines: stdout to stdout, stderr and the agent's words to stderr; records with ``--json``."""

    def __init__(self, out: Output, *, timestamps: bool = False, status: StatusLine | None = None) -> None:
        self.last = "0"  #: id of the entry printed last
        self._out, self._timestamps, self._status = out, timestamps, status

    def print(self, line: LogLine) -> None:
        """Print one entry (one or more lines of text)."""
        self.last = line.id
        if self._status is not None:
            self._status.clear()
        if self._out.json:
            self._out.record(line)
            return
        for text in line.text.split("\n"):
            stamp = f"{datetime.fromtimestamp(line.at):%H:%M:%S.%f}"[:-3] + "  " if self._timestamps else ""
            if line.stream == "clearq":
                self._out.note(f"{stamp}clearq: {text}")
            elif line.stream == "stderr":
                self._out.raw_error(f"{stamp}{text}\n")
            else:
                self._out.raw(f"{stamp}{text}\n")


async def follow(engine: Engine, task_id: str, out: Output, *, timeout: float | None = None) -> Task | None:
    """Show the task until it has ended and return it; ``None`` when Ctrl-C came first.

    Raises WaitTimeout after ``timeout`` seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _follow(engine, task_id, out)
    except TimeoutError:
        raise WaitTimeout(
            f"task {task_id} has not ended within {duration(timeout)}; it goes on\n"
            f"follow it: clearq task logs -f {task_id}"
        ) from None


async def _follow(engine: Engine, task_id: str, out: Output) -> Task | None:
    with out.status() as status, _on_interrupt() as interrupted:
        printer = LogPrinter(out, status=status)
        output = asyncio.create_task(_print_all(engine, task_id, printer))
        watcher = asyncio.create_task(_watch(engine, task_id, status))
        ended = asyncio.create_task(engine.tasks.wait(task_id))
        stop = asyncio.create_task(interrupted.wait())
        tasks: tuple[asyncio.Task[Any], ...] = (output, watcher, ended, stop)
        try:
            await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if interrupted.is_set():
            return None
        await print_present(engine, task_id, printer)
        return await ended


async def _print_all(engine: Engine, task_id: str, printer: LogPrinter) -> None:
    async for line in engine.logs.follow(task_id):
        printer.print(line)


async def print_present(engine: Engine, task_id: str, printer: LogPrinter) -> None:
    """Print what there is and was not printed yet."""
    while lines := await engine.logs.read(task_id, after=printer.last, count=PAGE):
        for line in lines:
            printer.print(line)


async def _watch(engine: Engine, task_id: str, status: StatusLine) -> None:
    """Keep the status line true while the task waits or is being prepared; ends with the task."""
    from clearq.models import Stage, Status

    began = await engine.now()
    while True:
        task = await engine.tasks.get(task_id)
        if task.ended_for_good:
            return
        if task.status is Status.QUEUED:
            passed = duration(max(0.0, await engine.now() - (task.enqueued or began)))
            status.update(f"waiting: {await explain_wait(engine, task)}", more=passed)
        elif task.stage in (Stage.CLAIMED, Stage.PREPARING):
            status.update(f"{task.worker or 'a worker'} prepares it")
        else:
            status.clear()
        running = task.status is Status.IN_PROGRESS and task.stage is Stage.RUNNING
        await asyncio.sleep(LOOK_RUNNING if running else LOOK_WAITING)


@contextmanager
def _on_interrupt() -> Iterator[asyncio.Event]:
    """An event that the first Ctrl-C sets; a second one interrupts as usual."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()

    def first() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        event.set()

    loop.add_signal_handler(signal.SIGINT, first)
    try:
        yield event
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def exit_code_of(task: Task) -> int:
    """The exit code with which a command that waited for ``task`` ends."""
    from clearq.models import Status

    code = task.exit_code
    if code is not None and code < 0:
        code = 128 - code
    if task.status in (Status.COMPLETED, Status.PUBLISHED, Status.CLOSED):
        return (code or 0) & 0xFF
    if code:
        return code & 0xFF or exits.FAILED
    return exits.INTERRUPTED if task.status is Status.STOPPED else exits.FAILED


def ending(task: Task) -> str:
    """How a task ended, in one sentence: ``completed in 3.2s``, ``failed after 2m 04s: exit code 7``."""
    passed = ""
    if task.started is not None and task.ended is not None:
        word = "in" if exit_code_of(task) == 0 else "after"
        passed = f" {word} {duration(task.ended - task.started)}"
    reason = f": {task.status_reason}" if task.status_reason else ""
    tries = f" (attempt {task.claims})" if task.claims > 1 else ""
    return f"{task.status}{passed}{tries}{reason}"
