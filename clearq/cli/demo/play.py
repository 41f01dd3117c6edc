"""The demo from beginning to end: stage, engine, director, checks, closing."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import orjson

from clearq.cli.demo import closing
from clearq.cli.demo.checks import Check, checks
from clearq.cli.demo.director import Director
from clearq.cli.demo.reads import Reader
from clearq.cli.demo.stage import Stage
from clearq.cli.demo.trials import QUEUES, TRIALS
from clearq.cli.demo.view import View
from clearq.cli.demo.watch import Watch
from clearq.cli.output import Output
from clearq.engine import Engine
from clearq.errors import ClearqError
from clearq.models.status import Status

#: Lines of a log that are shown when something went wrong.
_TAIL = 20


async def play(args: Namespace, out: Output) -> int:
    """Play everything. 0 when every outcome was the expected one, else 1."""
    stage = Stage(_writable(args.output))
    out.say(f"A private server and all of the demo's data live in {stage.folder}")
    results: list[Check] = []
    try:
        results = await _perform(stage, args, out)
    except (ClearqError, TimeoutError) as error:
        results = [Check("the demo was played to its end", False, str(error))]
    finally:
        left = await stage.close(keep=args.keep)
    results.append(Check("no process is left behind", not left, "; ".join(left)))
    closing.show_checks(out, results)
    closing.show_next(out, stage.output)
    return 0 if all(check.ok for check in results) else 1


def _writable(output: Path) -> Path:
    """The folder asked for, or a temporary one where it cannot be made."""
    output = output.absolute()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError:
        output = Path(tempfile.mkdtemp(prefix="clearq-demo-output-"))
    return output


async def _perform(stage: Stage, args: Namespace, out: Output) -> list[Check]:
    source = stage.make_repository()
    engine = await Engine.connect(stage.settings)
    reader = Reader(engine.storage)
    watch = Watch(engine, QUEUES)
    view = View(watch, live=out.terminal and not args.plain)
    director = Director(engine, stage, watch, photograph=lambda: view.picture(stage.output / "screen.svg"))
    try:
        with view:
            async with _looking(watch, view):
                await director.submit(source, args.seconds)
                await reader.ask_while_waiting()
                await director.play(source)
        await watch.look()
        await reader.ask_at_the_end(watch)
        plot = await _fetch_plot(engine, watch, stage.output)
        _save_metrics(watch, stage.output)
        closing.show_results(out, watch)
        closing.show_reads(out, reader.reads)
        environments = stage.home / "environments"
        return checks(watch, director, environments, plot)
    except Exception:
        await _show_logs(engine, watch, stage, out)
        raise
    finally:
        await engine.close()


@contextlib.asynccontextmanager
async def _looking(watch: Watch, view: View) -> AsyncIterator[None]:
    """Look and draw all the time; a look that fails ends what is inside with its error."""
    inside = asyncio.current_task()
    assert inside is not None  # noqa: S101
    failure: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failure.append(error)
            inside.cancel()

    looking = asyncio.create_task(watch.run(view.refresh))
    looking.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if failure and not inside.uncancel():
            raise failure[0] from None
        raise
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _fetch_plot(engine: Engine, watch: Watch, output: Path) -> Path | None:
    """Copy the report's artifact beside the other output. None when there is none."""
    from clearq.artifacts import fetch

    artifact = (await engine.artifacts.list(watch.id("report"))).get("accuracy of all trials")
    return await fetch(artifact, output / "plot.png") if artifact else None


def _save_metrics(watch: Watch, output: Path) -> None:
    rows = [
        {
            "name": trial.name,
            "id": watch.id(trial.name),
            "queue": trial.queue,
            "lr": trial.lr,
            "hidden": trial.hidden,
            "status": task.status.value if (task := watch.task(trial.name)) else "unknown",
            "epochs": watch.picture.epochs.get(trial.name),
            "accuracy": watch.picture.accuracy.get(trial.name),
        }
        for trial in TRIALS
    ]
    (output / "metrics.json").write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))


async def _show_logs(engine: Engine, watch: Watch, stage: Stage, out: Output) -> None:
    """What helps to find out what went wrong: the ends of the tasks' and the workers' logs."""
    for name, task in watch.picture.tasks.items():
        if task.status in (Status.FAILED, Status.IN_PROGRESS):
            out.heading(f"log of {name} ({task.status.value}: {task.status_reason})")
            with contextlib.suppress(ClearqError):
                for line in await engine.logs.tail(task.id, _TAIL):
                    out.say(line.text)
    for label in stage.agents:
        out.heading(f"log of {label}")
        text = (stage.output / f"{label}.log").read_text(encoding="utf-8", errors="replace")
        out.say("\n".join(text.splitlines()[-_TAIL:]))
