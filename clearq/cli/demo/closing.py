"""What the demo leaves on the screen: results, checks, three reads of Redis, and what to try next."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from clearq.cli.demo.checks import Check
from clearq.cli.demo.reads import Read
from clearq.cli.demo.trials import TRIALS
from clearq.cli.demo.view import status_text
from clearq.cli.demo.watch import Watch
from clearq.cli.output import Column, Output

#: Longest answer line that is shown (characters).
_ANSWER_WIDTH = 100


def show_results(out: Output, watch: Watch) -> None:
    """The table of metrics."""
    columns = [
        Column("TASK"),
        Column("ID", shrinks=True, drop=2),
        Column("QUEUE"),
        Column("LR"),
        Column("HIDDEN", right=True, drop=1),
        Column("STATUS"),
        Column("ATTEMPTS", right=True),
        Column("EPOCHS", right=True),
        Column("ACCURACY", right=True),
        Column("WHAT HAPPENED TO IT", shrinks=True),
    ]
    rows = []
    for trial in TRIALS:
        task, accuracy = watch.task(trial.name), watch.picture.accuracy.get(trial.name)
        rows.append(
            [
                trial.name,
                watch.id(trial.name),
                trial.queue,
                f"{trial.lr:g}",
                str(trial.hidden),
                status_text(task) if task else "",
                str(task.claims) if task else "",
                str(watch.picture.epochs.get(trial.name, "")),
                f"{accuracy:.3f}" if accuracy is not None else "",
                trial.fate.value,
            ]
        )
    out.heading("Results")
    out.table(columns, rows, empty="")


def show_reads(out: Output, reads: Sequence[Read]) -> None:
    """Where the keys lie, as redis-cli would print them."""
    out.heading("Where it lies in Redis: read it with plain redis-cli")
    for each in reads:
        words = " ".join(f"'{word}'" if set(word) & set("{} *") else word for word in each.command)
        out.say(f"\n  # {each.about}\n  > {words}")
        for number, line in enumerate(each.answer, start=1):
            text = line if len(line) <= _ANSWER_WIDTH else line[: _ANSWER_WIDTH - 3] + "..."
            out.say(f'  {number:>2}) "{text}"')


def show_checks(out: Output, results: Sequence[Check]) -> None:
    """Each expected outcome, and what was seen instead where it did not come."""
    out.heading("Expected outcomes")
    for check in results:
        word = ("  ok      ", "green") if check.ok else ("  FAILED  ", "red")
        seen = "" if check.ok else f" (seen: {check.seen})"
        out.console.print(Text.assemble(word, check.text + seen), soft_wrap=True)


def show_next(out: Output, output: Path) -> None:
    """Where the files are and what to try."""
    out.heading("Files")
    for name, about in _FILES:
        if (output / name).exists():
            out.say(f"  {output / name}   {about}")
    out.heading("Try next")
    lines = {f"{_command()} {words}": about for words, about in _NEXT}
    for line, about in lines.items():
        out.say(f"  {line:<{max(map(len, lines))}}   {about}")


_FILES = (
    ("plot.png", "the picture of all trials, drawn by the last task"),
    ("screen.svg", "the screen in the middle of the demo"),
    ("metrics.json", "the table above"),
)

_NEXT = (
    ("agent daemon --queue default --detached", "a worker on this machine; the server starts by itself"),
    ("run -- python train.py --lr 0.1", "run what stands in this directory on it, follow its log"),
    ("task ls", "then: task show, logs -f, why, clone, stop"),
    ("queue move default TASK --front", "re-order what waits"),
    ("help", "the pages: queues, agents, tasks, keys, ..."),
)


def _command() -> str:
    """How this very program is called from here: ``clearq``, or its path when it is not on PATH."""
    found = shutil.which("clearq")
    own = Path(sys.argv[0])
    if (found is not None and Path(found).samefile(own)) or own.name != "clearq":
        return "clearq"
    return os.path.relpath(own)
