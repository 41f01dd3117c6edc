"""Limits by key, seen from outside: a real worker, which writes down when functions begin and end."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr

from clearq import gather
from clearq.engine import Engine
from clearq.models.limit import Size
from clearq.settings import Settings
from clearq.storage.census import take
from tests.support.agents import until
from tests.support.functions import Workers
from tests.support.valkey import ValkeyProcess

APP = """
import asyncio, os
from clearq import Clearq, current, limit

app = Clearq()
FOLDER = os.environ.get("MARKS", "")

def mark(word, what):
    with open(FOLDER + "/marks", "a") as file:
        file.write(f"{word} {what}\\n")

async def run(what):
    mark("begin", what)
    while not os.path.exists(FOLDER + "/go"):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.005)
    mark("end", what)

@app.task(name="serve", limits=limit("customer:{customer}", concurrent=2))
async def serve(customer: str, number: int = 0) -> None:
    await run(f"{customer}/{number}")

@app.task(name="free")
async def free(number: int) -> None:
    mark("free", number)

@app.task(name="ask", limits=limit("api", rate="3/d"))
async def ask(number: int) -> None:
    mark("ask", number)

CUSTOMER, SITE = limit("customer:{customer}", concurrent=2), limit("site:{site}", concurrent=3, rate="9/s")

@app.task(name="both", limits=[CUSTOMER, SITE])
async def both(customer: str, site: str) -> None:
    await run(f"{customer}@{site}")

@app.task(name="fail", retries=1, losses=1, retry_delay=0.01, limits=limit("one", concurrent=1))
async def fail(word: str) -> None:
    mark(word, current().attempt)
    if word == "raise":
        raise ValueError("not today")
    if word == "die":
        os._exit(1)
    await asyncio.sleep(0.005)
"""


@pytest.fixture
def settings(valkey: ValkeyProcess, namespace: str, tmp_path: Path) -> Settings:
    return Settings(
        url=SecretStr(valkey.url), namespace=namespace, home=tmp_path / "home", heartbeat=0.3, dead_after=2.0
    )


@pytest.fixture
async def workers(settings: Settings, engine: Engine, tmp_path: Path) -> AsyncIterator[Workers]:
    workers = Workers(settings, engine, tmp_path)
    (tmp_path / "jobs.py").write_text(APP)
    yield workers
    for worker in workers.started:
        print(worker.text())
    await workers.close()


@pytest.fixture
async def jobs(workers: Workers, settings: Settings) -> AsyncIterator[ModuleType]:
    """The same app on this side."""
    spec = importlib.util.spec_from_file_location(f"jobs_{settings.namespace}", workers.folder / "jobs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.app.settings = settings
    yield module
    await module.app.close()
    del sys.modules[spec.name]


def most_at_once(lines: list[str], part: int | None = None) -> Counter[str]:
    """By key (a part of what is between begin and end): how many ran at once at most."""
    running, most = Counter[str](), Counter[str]()
    for line in lines:
        word, what = line.split()
        key = what.split("@")[part] if part is not None else what.split("/")[0]
        if word in ("begin", "end"):
            running[key] += 1 if word == "begin" else -1
            most[key] = max(most[key], running[key])
    return most


def lines(workers: Workers) -> list[str]:
    return (workers.folder / "marks").read_text().splitlines()


async def nothing_left(engine: Engine, queue: str = "default") -> None:
    """All permits came back, those of rates in a second."""

    async def back() -> bool:
        await engine.storage.script("tick", "", "timer")
        return not any(limit.taken or limit.held for limit in await engine.limits.list(queue))

    await until(back, "all permits are back")
    assert (await engine.queues.get(queue)).held == 0
    assert (await take(engine.storage)).misplaced == []


async def test_concurrency_stays_within_a_key_and_blocks_nobody_else(workers: Workers, jobs: ModuleType) -> None:
    handles = await jobs.app.enqueue_many(jobs.serve.call("a", number) for number in range(30))
    handles += await jobs.app.enqueue_many(jobs.serve.call(key, number) for key in "bc" for number in range(5))
    queue = await workers.engine.queues.get("default")
    assert (queue.waiting, queue.held) == (6, 34)
    frees = await jobs.app.enqueue_many(jobs.free.call(number) for number in range(5))
    await workers.start("--concurrency", "10", "--processes", "2")
    await gather(*frees)  # while all permits of the others are taken
    await workers.marked("begin", 6)
    workers.go()
    await gather(*handles)
    assert most_at_once(lines(workers)) == {"a": 2, "b": 2, "c": 2}
    assert sorted(Counter(line.split()[0] for line in lines(workers)).items()) == [
        ("begin", 40),
        ("end", 40),
        ("free", 5),
    ]
    await nothing_left(workers.engine)


async def test_several_limits_at_once(workers: Workers, jobs: ModuleType) -> None:
    workers.go()
    handles = await jobs.app.enqueue_many(jobs.both.call("abc"[i % 3], "xy"[i % 2]) for i in range(24))
    await workers.start("--concurrency", "20")
    await gather(*handles)
    assert max(most_at_once(lines(workers), 0).values()) <= 2
    assert max(most_at_once(lines(workers), 1).values()) <= 3
    await nothing_left(workers.engine)


async def test_a_rate_lets_so_many_begin_and_the_rest_wait_for_its_time(workers: Workers, jobs: ModuleType) -> None:
    handles = await jobs.app.enqueue_many(jobs.ask.call(number) for number in range(5))
    await workers.start("--concurrency", "20")
    await gather(*handles[:3])
    limits, engine = workers.engine.limits, workers.engine
    assert (await limits.key("default", "api.rate")).taken == 3, "an end gives no permit back"
    assert (await engine.queues.get("default")).held == 2
    assert workers.marks.total() == 3
    await limits.set("default", "api.rate", Size.rate("4/d"))
    await handles[3].result()
    assert (await limits.key("default", "api.rate")).held == 1


async def test_the_permits_of_a_rate_come_back_by_the_servers_clock(workers: Workers, jobs: ModuleType) -> None:
    """Three a second; nothing but the time lets the rest in. A burst waits for all of them."""
    await workers.engine.queues.create("quick")
    await workers.engine.limits.set("quick", "api.rate", Size.rate("3/s"))
    handles = await jobs.app.enqueue_many(jobs.ask.options(queue="quick").call(number) for number in range(7))
    worker = await workers.start("--concurrency", "20", "--burst", "--queues", "quick")
    await gather(*handles)
    assert worker.process.wait(30) == 0
    assert [int(line.split()[1]) for line in lines(workers)] == list(range(7)), "in their order"
    await nothing_left(workers.engine, "quick")


async def test_the_best_of_a_key_comes_first(workers: Workers, jobs: ModuleType) -> None:
    one = jobs.serve.options(queue="order")
    await workers.engine.queues.create("order")
    await workers.engine.limits.set("order", "customer", Size(1))
    handles = [await one.enqueue("a", number) for number in range(3)]
    handles.append(await one.options(priority=1).enqueue("a", 9))
    workers.go()
    await workers.start("--queues", "order")
    await gather(*handles)
    begun = [line.split()[1] for line in lines(workers) if line.startswith("begin")]
    assert begun == ["a/9", "a/0", "a/1", "a/2"]


async def test_permits_come_back_however_an_attempt_ends(workers: Workers, jobs: ModuleType) -> None:
    handles = await jobs.app.enqueue_many(jobs.fail.call(word) for word in ("raise", "die", "well"))
    await workers.start("--concurrency", "20")
    await workers.ended(*(handle.id for handle in handles), timeout=60)
    assert [await handle.status() for handle in handles] == ["failed", "failed", "completed"]
    await nothing_left(workers.engine)


async def test_a_worker_that_starts_sets_what_its_app_declares(workers: Workers, jobs: ModuleType) -> None:
    engine = workers.engine
    await engine.limits.declare("default", "customer", Size(5))
    await engine.limits.set("default", "api.rate", Size(7))
    worker = await workers.start()
    sizes = {limit.name: (str(limit.size), limit.declared) for limit in await engine.limits.list("default")}
    assert sizes["customer"] == ("2 at once", "2 at once")
    assert sizes["api.rate"] == ("7 at once", "3/d")
    assert "set to 7 at once by hand; the app declares 3/d" in worker.text()
