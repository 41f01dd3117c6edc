"""An arq worker as its users write them. Imports nothing of clearq; run by ``test_worker_settings.py``."""

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime

from arq import Retry, cron, func


def mark(word: str) -> None:
    with open(os.environ["MARKS"], "a") as file:
        file.write(word + "\n")


async def add(ctx: dict, one: int, two: int = 0) -> int:
    assert ctx["pool"] == "made at startup"
    assert ctx["job_try"] == 1
    assert isinstance(ctx["enqueue_time"], datetime)
    assert isinstance(ctx["score"], int)
    mark(f"run add {ctx['job_id']}")
    return one + two


@dataclass
class Size:
    width: int


async def double(ctx, size: Size) -> Size:
    return Size(size.width * 2)


async def third_time(ctx) -> int:
    if ctx["job_try"] < 3:
        raise Retry(defer=0.1)
    return ctx["job_try"]


async def never(ctx) -> None:
    mark("never")
    raise Retry()


async def broken(ctx) -> None:
    mark("broken")
    raise ValueError("it is broken")


async def too_long(ctx) -> None:
    await asyncio.sleep(60)


async def hold(ctx) -> None:
    mark("holds")
    await asyncio.sleep(60)


async def chain(ctx, number: int) -> str:
    job = await ctx["redis"].enqueue_job("add", number, _job_id=f"chained-{number}")
    return job.job_id


async def tick(ctx) -> None:
    mark("tick")


async def on_startup(ctx) -> None:
    ctx["pool"] = "made at startup"
    mark("startup")


async def on_shutdown(ctx) -> None:
    mark("shutdown " + ctx["pool"])


async def on_job_start(ctx) -> None:
    mark(f"start {ctx['job_id']}")


async def on_job_end(ctx) -> None:
    mark(f"end {ctx['job_id']}")


async def after_job_end(ctx) -> None:
    mark(f"after {ctx['job_id']}")


class WorkerSettings:
    functions = [  # noqa: RUF012
        add,
        double,
        third_time,
        func(never, max_tries=2),
        broken,
        func(too_long, name="limited", timeout=0.2),
        hold,
        chain,
    ]
    cron_jobs = [cron(tick, second=None)]  # noqa: RUF012
    queue_name = "arq:test"
    on_startup = on_startup
    on_shutdown = on_shutdown
    on_job_start = on_job_start
    on_job_end = on_job_end
    after_job_end = after_job_end
    max_jobs = 7
    keep_result = 600
