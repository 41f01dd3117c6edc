"""What turns between keys cost: enqueue and drain of functions in an ordinary queue and in fair ones."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from itertools import pairwise

from clearq.engine import Engine
from clearq.engine.calls import Call, End
from clearq.engine.ids import new_id
from clearq.models import Lane, WorkerInfo
from tests.benchmarks.common import Place, Row

#: Name to number of keys; 0 is an ordinary queue.
VARIANTS = {"an ordinary queue": 0, "a fair queue, 10 keys": 10, "a fair queue, a key each": 1_000_000}
STEPS = ("enqueue", "claims of 100", "claims of 1")


async def cost(place: Place, *, short: bool) -> list[Row]:
    """Server time a task (microseconds), as ratios to an ordinary queue; and how one large key among many is served."""
    count, rounds = (2_000, 3) if short else (10_000, 5)
    spent: dict[str, list[list[float]]] = defaultdict(list)
    for number in range(rounds):
        for name, keys in VARIANTS.items():  # they take turns, so that others' load falls on all alike
            spent[name].append(await _round(place.engine, f"q{number}-{keys}", keys, count))
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in spent.items()}
    base = medians["an ordinary queue"]
    rows = []
    for name, values in medians.items():
        ratios = [value / one for value, one in zip(values, base, strict=True)]
        shown = ", ".join(f"{step} {v:.1f} us ({r:.2f} x)" for step, v, r in zip(STEPS, values, ratios, strict=True))
        rows.append(Row(f"a function in {name}", shown, numbers=dict(zip(STEPS, ratios, strict=True))))
    return [*rows, await _one_large_key(place.engine, 9_000 if short else 90_000, 999 if short else 9_999)]


async def _round(engine: Engine, queue: str, keys: int, count: int) -> list[float]:
    await engine.queues.create(queue, fair=keys > 0)
    calls = [
        Call(new_id(), "f", b"[]", queue, extra={"fair": f"k{number % keys}"} if keys else {})
        for number in range(count)
    ]
    marks = [await _server(engine)]
    await engine.functions.enqueue_many(calls)
    marks.append(await _server(engine))
    holder, ends = await _worker(engine, queue), list[End]()
    many, one = count // 200, count // 10
    for size, turns in ((100, many), (1, one)):
        for _ in range(turns):
            turn = await engine.functions.turn(holder, [(queue, size)], size, ends)
            ends = [End(given.id, given.fence, "complete", b"1") for given in turn.claims]
        marks.append(await _server(engine))
    await engine.functions.turn(holder, [], 0, ends)
    await engine.workers.unregister(holder)
    steps = [after - before for before, after in pairwise(marks)]
    return [step / tasks for step, tasks in zip(steps, (count, 100 * many, one), strict=True)]


async def _one_large_key(engine: Engine, large: int, others: int) -> Row:
    """All keys must be served before one is served twice."""
    await engine.queues.create("large", fair=True)
    keys = ["large"] * large + [f"k{number}" for number in range(others)]
    calls = [Call(new_id(), "f", b"[]", "large", extra={"fair": key}) for key in keys]
    await engine.functions.enqueue_many(calls)
    holder, served = await _worker(engine, "large"), Counter[str]()
    named, left = {call.id: call.extra["fair"] for call in calls}, others + 1
    while left:
        claims = (await engine.functions.turn(holder, [("large", 100)], min(100, left))).claims
        served.update(named[given.id] for given in claims)
        left -= len(claims)
    shown = f"the first {others + 1:,} claims serve {len(served):,} keys"
    what = f"{large:,} tasks of one key, one each of {others:,} others"
    return Row(what, shown, "all keys", len(served) == others + 1, {"keys": len(served)})


async def _worker(engine: Engine, queue: str) -> str:
    lanes = (Lane(queue=await engine.queues.resolve(queue), kind="function"),)
    return await engine.workers.register(WorkerInfo(label=f"bench-{queue}", host="bench", lanes=lanes))


async def _server(engine: Engine) -> float:
    """Microseconds of processor time that the server has used."""
    told = await engine.storage.command("INFO", "cpu")
    lines = told if isinstance(told, dict) else dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    return (float(lines["used_cpu_user"]) + float(lines["used_cpu_sys"])) * 1e6
