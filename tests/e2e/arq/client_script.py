"""Enqueues by ``ClearqArqRedis`` in an environment with arq's own pins. Prints ``ok`` at the end."""

import asyncio
import os
from importlib.metadata import version

import pytest
from arq.jobs import JobStatus, ResultNotFound

from clearq.arq import ClearqArqRedis, Job
from clearq.errors import FunctionFailed


def marks() -> list[str]:
    with open(os.environ["MARKS"]) as file:
        return file.read().splitlines()


async def marked(word: str, times: int = 1) -> None:
    async with asyncio.timeout(30):
        while marks().count(word) < times:
            await asyncio.sleep(0.05)


async def main() -> None:
    assert int(version("redis").partition(".")[0]) < 6, "arq's own pin"
    async with ClearqArqRedis(default_queue_name="arq:test") as redis:

        async def run(*args, **kwargs):
            job = await redis.enqueue_job(*args, **kwargs)
            assert job is not None
            return await job.result(timeout=30)

        # a function, its result, and what is known of it
        job = await redis.enqueue_job("add", 2, two=3, _job_id="sum of two")
        assert job is not None
        assert await job.result(timeout=30, poll_delay=0.1) == 5
        assert await job.status() is JobStatus.complete
        info = await job.result_info()
        assert info is not None
        assert (info.success, info.result, info.function, info.job_try) == (True, 5, "add", 1)
        assert await redis.enqueue_job("add", 2, two=3, _job_id="sum of two") is None
        assert await Job("sum of two", redis).result(timeout=5) == 5

        # hooks in their order
        await marked("after sum of two")
        mine = [word for word in marks() if word.endswith("sum of two")]
        assert mine == ["start sum of two", "run add sum of two", "end sum of two", "after sum of two"], mine
        assert marks()[0] == "startup"

        # tries, timeout, failures
        assert await run("double", {"width": 4}) == {"width": 8}
        assert await run("third_time") == 3
        with pytest.raises(FunctionFailed, match="max 2 retries exceeded"):
            await run("never")
        assert marks().count("never") == 2
        with pytest.raises(ValueError, match="it is broken"):
            await run("broken")
        assert marks().count("broken") == 1
        with pytest.raises(TimeoutError):
            await run("limited")
        with pytest.raises(FunctionFailed, match="Wrong arguments"):
            await run("add", 1, 2, 3)
        with pytest.raises(FunctionFailed, match="job expired"):
            await run("add", 1, _defer_by=0.2, _expires=0.01)

        # ctx["redis"], deferring, abort
        assert await run("chain", 7) == "chained-7"
        assert await Job("chained-7", redis).result(timeout=30) == 7
        later = await redis.enqueue_job("add", 1, 1, _defer_by=3600)
        assert later is not None
        assert await later.status() is JobStatus.deferred
        info = await later.info()
        assert info is not None
        assert (info.args, info.kwargs) == ((1, 1), {})
        assert await later.abort(timeout=30)
        held = await redis.enqueue_job("hold")
        assert held is not None
        await marked("holds")
        assert await held.status() is JobStatus.in_progress
        assert await held.abort(timeout=30)
        with pytest.raises(ResultNotFound):
            await Job("nobody", redis).result(timeout=5)
        assert await Job("nobody", redis).status() is JobStatus.not_found

        await marked("tick", times=2)
    print("ok")


asyncio.run(main())
