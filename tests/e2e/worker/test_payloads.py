"""Large and bad payloads, through a real worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import psutil
import pytest

from clearq import Clearq, as_completed, gather
from clearq.engine.calls import Call
from clearq.engine.ids import new_id
from clearq.errors import FunctionFailed, PayloadError
from clearq.settings import Settings
from tests.support.functions import Workers
from tests.support.state import dump

LARGE = "x" * 2_000_000

APP = """

@app.task(name="echo")
async def echo(text: str) -> str:
    return text

@app.task(name="lengths")
async def lengths(one: str, two: str) -> list[int]:
    return [len(one), len(two)]

@app.task(name="in_thread", retries=2, retry_delay=0.01)
def in_thread(text: str) -> str:
    if current().attempt == 1:
        raise ValueError("not yet")
    return text

@app.task(name="in_process", where="process")
def in_process(text: str) -> str:
    return text

@app.task(name="pickled", serializer="pickle")
async def pickled(value: set) -> set:
    return value

import clearq.worker.unknown
clearq.worker.unknown.PATIENCE, clearq.worker.unknown.PAUSE = 0.2, 0.05

@app.task(name="sized", timeout=30)
async def sized(size: int) -> str:
    return "x" * size
"""


async def echo(text: str) -> str:
    raise AssertionError("this is run by the worker")


async def both(one: str, two: str) -> list[int]:
    raise AssertionError("this is run by the worker")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An artifact store that the worker and the test share."""
    monkeypatch.setenv("CLEARQ_ARTIFACTS_URL", (tmp_path / "store").as_uri())
    monkeypatch.setenv("CLEARQ_SIGNING_KEY", "secret")
    return tmp_path / "store"


@pytest.fixture
async def app(settings: Settings, workers: Workers, request: pytest.FixtureRequest) -> AsyncIterator[Clearq]:
    file = workers.folder / "jobs.py"
    file.write_text(file.read_text() + APP)
    url = (workers.folder / "store").as_uri() if "store" in request.fixturenames else ""
    changed = {"artifacts_url": url, "signing_key": Settings(signing_key="secret").signing_key}
    async with Clearq(settings=settings.model_copy(update=changed)) as app:
        yield app


async def test_large_payloads_travel_by_reference(store: Path, app: Clearq, workers: Workers) -> None:
    await workers.start("--concurrency", "10")
    names = ("echo", "in_thread", "in_process")
    handles = await app.enqueue_many(app.task(name=name)(echo).call(LARGE + name) for name in names)
    set_of = app.task(name="pickled", serializer="pickle")(lambda value: value)
    pickled = await set_of.enqueue({LARGE, 1})
    lengths = app.task(name="lengths")(both)
    after = await lengths.enqueue(handles[0].as_argument(), handles[1].as_argument())
    assert await gather(*handles, timeout=30) == [LARGE + name for name in names]
    assert [await handle.result() async for handle in as_completed(handles)]
    assert await pickled.result(timeout=30) == {LARGE, 1}
    assert await after.result(timeout=30) == [len(LARGE) + 4, len(LARGE) + 9]
    tasks = {key: value for key, value in (await dump(workers.engine.storage)).items() if key.startswith("t:")}
    assert len(tasks) == 5
    assert all(len(fields.get(name, "")) < 1000 for fields in tasks.values() for name in ("args", "result"))


async def test_what_is_lost_fails_with_a_reason_and_is_kept(store: Path, app: Clearq, workers: Workers) -> None:
    task = app.task(name="echo")(echo)
    handle, changed = await task.enqueue(LARGE), await task.enqueue(LARGE)
    [lost] = (store / handle.id).rglob("payload")
    lost.unlink()
    [file] = (store / changed.id).rglob("payload")
    file.write_text(LARGE)
    await workers.start()
    with pytest.raises(FunctionFailed, match="The arguments of echo cannot be read any more: file:///"):
        await handle.result(timeout=30)
    with pytest.raises(FunctionFailed, match="The arguments of echo cannot be used: what was stored in file:///"):
        await changed.result(timeout=30)
    assert {entry.id for entry in await app.set_aside()} == {handle.id, changed.id}
    good = await task.enqueue(LARGE)
    await workers.ended(good.id)
    for file in (store / good.id).rglob("payload"):
        file.unlink()
    with pytest.raises(PayloadError, match=r"result of task .* cannot be read any more: file:///"):
        await good.result(timeout=30)


async def test_bad_payloads_fail_with_a_reason_and_are_kept(app: Clearq, workers: Workers) -> None:
    """No artifact store: Redis has room for 32 MB of a task. The worker lives through all of it."""
    worker = await workers.start()
    pids = {child.pid for child in worker.children}
    ids = {
        "room": await workers.enqueue("sized", 2_000_000),
        "too large": await workers.enqueue("sized", 33 * 1024 * 1024),
        "wrong": await workers.enqueue("echo", "a", "b"),
        "type": await workers.enqueue("sized", "many"),
        "undecodable": await raw(workers, b"{not json"),
        "no list": await raw(workers, b'"text"'),
        "pickle": await raw(workers, b"\x00p1" + bytes(40)),
        "reference": await raw(workers, b"\x00r1{}"),
        "unknown": await workers.enqueue("of_nobody", 1),
    }
    found = dict(zip(ids, await workers.ended(*ids.values()), strict=True))
    assert found["room"].status == "completed"
    assert len(await app.handle(ids["room"]).result()) == 2_000_000
    del found["room"]
    assert {state.status for state in found.values()} == {"failed"}
    said = {name: orjson.loads(state.error)["message"] for name, state in found.items()}
    assert "The result of sized cannot be stored. Redis keeps at most 32 MB" in said["too large"]
    assert "Set CLEARQ_ARTIFACTS_URL" in said["too large"]
    assert "Wrong arguments for echo(text: str) -> str: too many positional arguments" in said["wrong"]
    assert "argument 'size' of sized" in said["type"]
    assert "arguments of echo" in said["undecodable"]
    assert "arguments of echo are not a list" in said["no list"]
    assert "arguments of echo are pickled" in said["pickle"]
    assert "reference to the arguments of echo cannot be read" in said["reference"]
    assert "No live worker of its queue has known the function 'of_nobody'" in said["unknown"]
    assert found.pop("unknown").reason == "unknown function"
    assert all(state.reason and state.reason[:40] in said[name] for name, state in found.items())
    assert {entry.id for entry in await app.set_aside()} == set(ids.values()) - {ids["room"]}
    assert {child.pid for child in worker.children} >= {pid for pid in pids if psutil.pid_exists(pid)}


async def raw(workers: Workers, args: bytes) -> str:
    """A call whose arguments somebody else has written."""
    call = Call(new_id(), "echo", args)
    assert await workers.engine.functions.enqueue(call) == "queued"
    return call.id
