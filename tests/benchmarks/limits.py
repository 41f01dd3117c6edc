"""What limits by key cost: enqueue and drain of functions with none, one concurrent, two concurrent and one rate."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict

from clearq import Clearq, limit
from clearq.engine import Engine
from clearq.engine.calls import End
from clearq.functions.declare import FunctionTask
from clearq.functions.limits import Limit
from clearq.models import Lane, WorkerInfo
from tests.benchmarks.common import Place, Row

#: Keys of a limit; each has two permits, so most tasks are held for a while.
KEYS = 1_000
#: Claimed and ended in one turn, as a worker does.
BATCH = 100

CUSTOMER = limit("customer:{number}", concurrent=2)
SITE = limit("site:{number}", concurrent=4)
RATE = limit("api:{number}", rate="1000/s")

VARIANTS: dict[str, list[Limit]] = {
    "no limit": [],
    "one concurrent": [CUSTOMER],
    "two concurrent": [CUSTOMER, SITE],
    "one rate": [RATE],
}


async def cost(place: Place, *, short: bool) -> list[Row]:
    """Seconds a task, as ratios to no limit; the variants take turns, so that others' load falls on all alike."""
    count, rounds = (5_000, 3) if short else (20_000, 5)
    app = Clearq(settings=place.settings)

    async def work(number: int) -> None: ...

    tasks = {name: app.task(name=name, queue=name, limits=limits)(work) for name, limits in VARIANTS.items()}
    spent: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    async with app:
        for _ in range(rounds):
            for name, task in tasks.items():
                spent[name].append(await _round(app, place.engine, name, task, count))
    medians = {
        name: [statistics.median(column) for column in zip(*figures, strict=True)] for name, figures in spent.items()
    }
    return [_row(name, values, medians["no limit"]) for name, values in medians.items()]


async def _round(
    app: Clearq, engine: Engine, name: str, task: FunctionTask[[int], None], count: int
) -> tuple[float, float, float]:
    """Microseconds a task: to enqueue it, to drain it, and of the server's processor for both."""
    info = WorkerInfo(label=name.replace(" ", "-"), host="bench", lanes=(Lane(queue=name, kind="function"),))
    busy, began = await _server_cpu(engine), time.perf_counter()
    await app.enqueue_many(task.call(number % KEYS) for number in range(count))
    enqueued = time.perf_counter()
    queue, holder = await engine.queues.resolve(name), await engine.workers.register(info)
    done, ends = 0, list[End]()
    while done < count:
        turn = await engine.functions.turn(holder, [(queue, BATCH)], BATCH, ends)
        done += len(ends)
        ends = [End(given.id, given.fence, "complete", b"null") for given in turn.claims]
    drained = time.perf_counter()
    server = await _server_cpu(engine) - busy
    await engine.workers.unregister(holder)
    return (enqueued - began) / count * 1e6, (drained - enqueued) / count * 1e6, server / count * 1e6


async def _server_cpu(engine: Engine) -> float:
    told = await engine.storage.command("INFO", "cpu")
    lines = told if isinstance(told, dict) else dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    return float(lines["used_cpu_user"]) + float(lines["used_cpu_sys"])


def _row(name: str, values: list[float], none: list[float]) -> Row:
    names = ("enqueue", "drain", "server")
    shown = ", ".join(
        f"{what} {value:.1f} us ({value / base:.2f} x)" for what, value, base in zip(names, values, none, strict=True)
    )
    numbers = {f"{what}_us": value for what, value in zip(names, values, strict=True)}
    numbers |= {f"{what}_ratio": value / base for what, value, base in zip(names, values, none, strict=True)}
    return Row(f"a function with {name}", shown, numbers=numbers)
