"""What the demo shows while it runs: one screen that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clearq.cli.demo.trials import QUEUES, TRIALS
from clearq.cli.demo.watch import Watch
from clearq.models.status import Status
from clearq.models.task import Task
from clearq.models.worker import Worker

_COLOURS = {
    Status.QUEUED: "yellow",
    Status.IN_PROGRESS: "cyan",
    Status.COMPLETED: "green",
    Status.FAILED: "red",
    Status.STOPPED: "magenta",
}
_STORY_LINES = 8
_WIDTH = 100
#: Seconds without a heartbeat after which a worker is shown as silent; it should send one every 5 s.
_SILENT = 7.0


class View:
    """Shows a :class:`Watch`. Use it as a context manager; ``refresh`` after each look."""

    def __init__(self, watch: Watch, *, live: bool) -> None:
        self._watch, self._told = watch, 0
        self.console = Console(file=sys.stdout, highlight=False, soft_wrap=not live)
        self._live: Live | None = None
        if live:
            self._live = Live(console=self.console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> View:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refresh()
        if self._live:
            self._live.__exit__(kind, error, trace)

    def refresh(self) -> None:
        """Draw the newest picture, or print the lines of the story that are new."""
        if self._live:
            self._live.update(self.screen(), refresh=True)
            return
        for at, text in self._watch.story[self._told :]:
            self.console.print(f"[{at:5.1f} s] {text}", markup=False)
        self._told = len(self._watch.story)

    def screen(self) -> RenderableType:
        """The whole screen, about 30 lines of 100 columns."""
        seconds = time.monotonic() - self._watch.began
        title = Text.assemble(("clearq demo", "bold"), f"   {seconds:5.1f} s   8 trainings, 2 queues, 2 workers")
        return Group(title, self._queues(), self._trials(), self._workers(), self._story())

    def picture(self, path: Path) -> None:
        """Save the screen of this moment as an SVG."""
        console = Console(record=True, width=_WIDTH, file=io.StringIO(), highlight=False)
        console.print(self.screen())
        path.write_text(console.export_svg(title="clearq demo", code_format=_SVG), encoding="utf-8")

    def _queues(self) -> RenderableType:
        lines = []
        for queue in QUEUES:
            waiting = self._watch.picture.waiting.get(queue, [])
            shown = "  ".join(waiting) or "(empty)"
            lines.append(Text.assemble((f"{queue:<8}", "bold yellow"), shown))
        return Panel(Group(*lines), title="queues, next first", title_align="left", width=_WIDTH)

    def _trials(self) -> RenderableType:
        table = Table(box=None, expand=True, pad_edge=False)
        for heading in ("TASK", "QUEUE", "LR", "STATUS", "ATTEMPT", "WORKER", "EPOCH", "ACCURACY"):
            table.add_column(
                heading, justify="right" if heading in ("EPOCH", "ACCURACY", "ATTEMPT") else "left", no_wrap=True
            )
        for trial in TRIALS:
            table.add_row(
                trial.name,
                trial.queue,
                f"{trial.lr:g}",
                *self._state(trial.name),
            )
        return Panel(table, title="tasks", title_align="left", width=_WIDTH)

    def _state(self, name: str) -> tuple[RenderableType, ...]:
        task = self._watch.task(name)
        if task is None:
            return ("", "", "", "", "")
        epochs = self._watch.picture.epochs.get(name)
        accuracy = self._watch.picture.accuracy.get(name)
        return (
            Text(status_text(task), style=_COLOURS.get(task.status, "")),
            str(task.claims or ""),
            task.worker if task.status is not Status.QUEUED else "",
            str(epochs or ""),
            f"{accuracy:.3f}" if accuracy is not None else "",
        )

    def _workers(self) -> RenderableType:
        lines = [self._worker(worker) for worker in self._watch.picture.workers]
        return Panel(Group(*lines or [Text("none yet")]), title="workers", title_align="left", width=_WIDTH)

    def _worker(self, worker: Worker) -> Text:
        silent = time.time() - (worker.last_seen or 0.0)
        doing = ", ".join(self._watch.name(task) for task in worker.tasks) or "idle"
        if silent > _SILENT:
            doing = f"silent for {silent:.0f} s, gone from this list after 15 s"
        return Text.assemble((f"{worker.info.label:<12}", "bold"), f"process {worker.info.pid:<8} {doing}")

    def _story(self) -> RenderableType:
        lines = [Text(f"{at:5.1f} s  {text}") for at, text in self._watch.story[-_STORY_LINES:]]
        return Panel(Group(*lines), title="what happens", title_align="left", width=_WIDTH)


def status_text(task: Task) -> str:
    """``in_progress (running)``: the status with its finer stage."""
    return f"{task.status.value} ({task.stage.value})" if task.stage else task.status.value


#: rich's own frame without the font that it would load from the network.
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
