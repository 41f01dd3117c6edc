"""The historian: samples of queues and workers in capped streams."""

from __future__ import annotations

import pytest

from clearq.engine import Engine
from clearq.engine.history import Historian
from clearq.engine.series import SAMPLES_KEPT
from clearq.errors import QueueNotFound
from clearq.models import Lane, WorkerInfo
from tests.support.bench import Bench
from tests.support.state import lifetimes


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine.storage)


@pytest.fixture
def historian(engine: Engine) -> Historian:
    return Historian(engine.storage, engine.queues, engine.workers)


async def test_a_sample_of_every_queue(engine: Engine, bench: Bench, historian: Historian) -> None:
    enqueued = int((await engine.now() - 90) * 1000)
    await bench.queued("first", at=enqueued)
    await bench.queued("second")
    await bench.queued("later", delay="9000000000000")
    await engine.workers.register(WorkerInfo(label="lab", lanes=(Lane(queue="default"),)))
    await bench.running("runs")
    await historian.sample()
    (sample,) = await engine.queues.history("default")
    assert (sample.waiting, sample.running, sample.workers) == (3, 1, 2)
    assert 89 < sample.oldest_wait < 150
    assert abs(sample.at - await engine.now()) < 60
    (empty,) = await engine.queues.history("services")
    assert (empty.waiting, empty.oldest_wait, empty.running, empty.workers) == (0, 0, 0, 0)


async def test_a_sample_of_every_living_worker(engine: Engine, bench: Bench, historian: Historian) -> None:
    info = WorkerInfo(label="lab", slots=4, lanes=(Lane(queue="default"),))
    worker = await engine.workers.register(info)
    await engine.workers.register(WorkerInfo(label="gone"))
    await bench.command("ZADD", "workers", 1, (await engine.workers.get("gone")).id)
    await engine.workers.beat(worker, {}, metrics={"cpu": 12.5, "memory": 2e9, "gpu": 99.0, "other": 1.0})
    await bench.queued()
    (task,) = await engine.queues.waiting("default")
    await engine.claims.claim_task(worker, task, queue_rev=1, host_id="h", boot_id="b")
    await historian.sample()
    (sample,) = await engine.workers.history("lab")
    assert (sample.busy, sample.slots, sample.cpu, sample.memory, sample.gpu) == (1, 4, 12.5, 2e9, 99.0)
    assert await engine.workers.history("gone") == []
    assert (await lifetimes(engine.storage))["series:worker:lab"] > 6 * 86_400_000


async def test_since(engine: Engine, bench: Bench, historian: Historian) -> None:
    now = int(await engine.now() * 1000)
    for age in (7_200_000, 1_800_000, 60_000):
        key = bench.keys("series", "queue", "default")
        fields = ("waiting", "1", "oldest_wait", "0", "running", "0", "workers", "0")
        await engine.storage.command("XADD", key, f"{now - age}-0", "at", (now - age) / 1000, *fields)
    await historian.sample()
    assert len(await engine.queues.history("default")) == 3
    assert len(await engine.queues.history("default", since=120)) == 2
    assert len(await engine.queues.history("default", since=1e12)) == 4


async def test_it_is_bounded(engine: Engine, bench: Bench, historian: Historian) -> None:
    key = bench.keys("series", "queue", "default")
    await engine.storage.command(
        *("EVAL", "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'at', '1') end", 1, key, SAMPLES_KEPT + 500)
    )
    await historian.sample()
    assert await engine.storage.command("XLEN", key) < SAMPLES_KEPT + 200


async def test_one_process_keeps_the_duty(engine: Engine, bench: Bench, historian: Historian) -> None:
    other = Historian(engine.storage, engine.queues, engine.workers)
    for each in (historian, other, historian):
        assert await each.tick() is None
    assert len(await engine.queues.history("default")) == 2
    await bench.command("DEL", "duty:history")
    await other.tick()
    assert len(await engine.queues.history("default")) == 3


async def test_no_such_queue(engine: Engine) -> None:
    with pytest.raises(QueueNotFound, match="nowhere"):
        await engine.queues.history("nowhere")
