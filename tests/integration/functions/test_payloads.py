"""Large arguments and results: where they lie, what happens when they do not, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from clearq import Clearq
from clearq.arq.redis import ClearqArqRedis
from clearq.artifacts import ArtifactStore
from clearq.engine.blobs import TASK_BYTES
from clearq.engine.calls import End, Given
from clearq.engine.sweeper import Sweeper
from clearq.errors import ArtifactError, PayloadError
from clearq.functions import payloads, references
from clearq.functions.payloads import MARK, blob_of
from clearq.functions.references import ResultOf
from clearq.models import Lane, WorkerInfo
from clearq.settings import Settings
from clearq.testing import simulate
from clearq.worker.parcels import Parcels
from tests.support.state import dump

LARGE = "x" * 5000
STORE = pytest.mark.parametrize("place", ["store"])
REDIS = pytest.mark.parametrize("place", ["redis"])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture(params=["store", "redis"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def app(settings: Settings, store: Path, place: str) -> AsyncIterator[Clearq]:
    url = str(store) if place == "store" else ""
    changed = {"payload_inline_bytes": 1024, "artifacts_url": url}
    async with Clearq(settings=settings.model_copy(update=changed)) as app:
        app.task(name="echo")(echo)
        yield app


async def echo(text: str) -> str:
    return text


async def claim(app: Clearq) -> tuple[str, list[Given]]:
    engine = await app.engine()
    lanes = (Lane(queue="default", kind="function"),)
    holder = await engine.workers.register(WorkerInfo(label="h:0", lanes=lanes))
    return holder, (await engine.functions.turn(holder, [("default", 100)], 100)).claims


async def blobs(app: Clearq) -> list[str]:
    """Entries of the list."""
    found: dict[str, int] = (await dump((await app.engine()).storage)).get("blobs", {})
    return sorted(found)


async def sweep_all(app: Clearq) -> None:
    """Look at everything now, as the duty would some time."""
    engine = await app.engine()
    for entry in await blobs(app):
        await engine.storage.command("ZADD", engine.storage.keys("blobs"), 0, entry)
    await Sweeper(engine.storage, engine.blobs, engine.tasks).tick()
    await engine.storage.command("DEL", engine.storage.keys("duty", "sweeper"))


def files(store: Path) -> list[str]:
    return sorted(path.parent.name for path in store.rglob("payload"))


async def test_from_enqueue_to_result_and_nothing_stays(app: Clearq, store: Path) -> None:
    task = app.task(name="large")(echo)
    handle, _ = await task.enqueue(LARGE), await task.enqueue("small")
    holder, (given, other) = await claim(app)
    client = await app.client()
    parcels = Parcels(client.engine)
    assert other.args == b'["small"]'
    assert given.args.startswith(MARK)
    assert len(given.args) < 500, "Redis has the reference only"
    assert await parcels.arguments(given) == f'["{LARGE}"]'.encode()
    await sweep_all(app)
    assert len(await blobs(app)) == 1
    assert await parcels.arguments(given) == f'["{LARGE}"]'.encode(), "what is referred to stays"

    reference = await parcels.result(given, f'"{LARGE}"'.encode())
    await sweep_all(app)
    assert len(await blobs(app)) == 2, "its attempt runs still"
    await client.functions.turn(holder, [], 0, [End(given.id, given.fence, "complete", reference)])
    await sweep_all(app)
    assert [entry.split(" ")[1] for entry in await blobs(app)] == [f"result.{given.fence}"], "no arguments any more"
    assert await handle.result(timeout=5) == LARGE
    assert await app.handle(handle.id).result(timeout=5) == LARGE, "also by the id alone"

    await client.engine.tasks.delete(handle.id, force=True)
    await sweep_all(app)
    state = await dump(client.engine.storage)
    assert [key for key in state if key.startswith(("blob", "chunk"))] == []
    assert files(store) == []


async def test_a_result_that_is_handed_on(app: Clearq) -> None:
    first = await app.task(name="one")(echo).enqueue(LARGE)
    holder, [given] = await claim(app)
    client = await app.client()
    parcels = Parcels(client.engine)
    reference = await parcels.result(given, f'"{LARGE}"'.encode())
    await client.functions.turn(holder, [], 0, [End(given.id, given.fence, "complete", reference)])
    args, kwargs = await references.resolve(client.functions, parcels, (ResultOf(first.id),), {"b": ResultOf(first.id)})
    assert (args, kwargs) == ((LARGE,), {"b": LARGE})


async def test_jobs_of_arq_travel_so_too(app: Clearq) -> None:
    jobs = ClearqArqRedis(app)
    job = await jobs.enqueue_job("echo", LARGE, _job_id="mine", word=LARGE)
    assert job is not None
    info = await job.info()
    assert info is not None
    assert (info.args, info.kwargs) == ((LARGE,), {"word": LARGE})
    assert await jobs.enqueue_job("echo", LARGE, _job_id="mine") is None
    await sweep_all(app)
    assert [entry.split(" ")[0] for entry in await blobs(app)] == [job.id], "one job, one payload"


async def test_what_is_lost_or_changed_is_said(app: Clearq, store: Path, place: str) -> None:
    task = app.task(name="lost")(echo)
    await task.enqueue(LARGE)
    _, [given] = await claim(app)
    client = await app.client()
    parcels, blob = Parcels(client.engine), blob_of(given.args)
    assert blob is not None
    if place == "store":
        [file] = store.rglob("payload")
        file.write_bytes(b"something else")
    else:
        key = client.engine.storage.keys("chunk", blob.task, blob.name)
        await client.engine.storage.command("HSET", key, "0", "something else")
    with pytest.raises(PayloadError, match=r"arguments of lost cannot be used: what was stored in .* has been changed"):
        await parcels.arguments(given)
    if place == "store":
        file.unlink()
    else:
        await client.engine.blobs.drop(blob)
    with pytest.raises(PayloadError, match=r"arguments of lost cannot be read any more: .*not (there|in Redis)"):
        await parcels.arguments(given)
    with pytest.raises(PayloadError, match="reference to the arguments of lost cannot be read"):
        await parcels.arguments(given._replace(args=MARK + b'{"task": 1}'))


async def test_a_key_that_is_held_and_an_upload_that_was_in_vain(app: Clearq) -> None:
    task = app.task(name="once", unique="once")(echo)
    first, again = await task.enqueue(LARGE), await task.enqueue(LARGE)
    assert again.duplicate
    assert again.id == first.id
    await sweep_all(app)
    assert [entry.split(" ")[0] for entry in await blobs(app)] == [first.id]


@STORE
async def test_without_the_store_nothing_is_enqueued(app: Clearq, store: Path, place: str) -> None:
    store.parent.mkdir(exist_ok=True)
    store.write_text("no folder")
    task = app.task(name="none")(echo)
    with pytest.raises(ArtifactError, match="could not be stored in"):
        await task.enqueue(LARGE)
    with pytest.raises(ArtifactError, match="could not be stored in"):
        await app.enqueue_many([task.call("small"), task.call(LARGE)])
    _, claims = await claim(app)
    assert claims == []
    parcels = Parcels((await app.client()).engine, patience=0.3)
    given = Given("t1", "1.f", "f", b"", 0.0, 0, 0, b"")
    with pytest.raises(ArtifactError):
        await parcels.result(given, b"x" * 2000)
    parcels = Parcels((await app.client()).engine)
    storing = asyncio.create_task(parcels.result(given, b"x" * 2000))
    store.unlink()
    assert (await storing).startswith(MARK), "a store that comes back in time costs no attempt"


@STORE
async def test_a_slow_store_leaves_the_loop_free(app: Clearq, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The store waits for what only the loop can do."""
    done, put, read = threading.Event(), ArtifactStore.put, ArtifactStore.read

    def slow(work: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*args: Any, **kwargs: Any) -> Any:
            assert done.wait(20), "the loop is blocked"
            return work(*args, **kwargs)

        return wait

    monkeypatch.setattr(ArtifactStore, "put", slow(put))
    monkeypatch.setattr(ArtifactStore, "read", slow(read))
    parcels = Parcels((await app.client()).engine)
    given = Given("t1", "1.f", "f", b"", 0.0, 0, 0, b"")
    storing = asyncio.create_task(parcels.result(given, b"x" * 2000))
    await asyncio.sleep(0.05)
    done.set()
    reference = await storing
    done.clear()
    reading = asyncio.create_task(parcels.open(reference, "result"))
    await asyncio.sleep(0.05)
    done.set()
    assert await reading == b"x" * 2000


async def test_tests_in_memory_have_large_payloads(tmp_path: Path) -> None:
    app = Clearq(settings=Settings(home=tmp_path / "home", payload_inline_bytes=1024))
    task = app.task(name="echo")(echo)
    async with simulate(app) as sim:
        first = await task.enqueue(LARGE)
        second = await task.enqueue(first.as_argument())
        await sim.run_until_idle()
        assert await second.result() == LARGE
    assert not (tmp_path / "home" / "artifacts").exists()


@REDIS
async def test_redis_has_little_room_and_says_so(app: Clearq, place: str) -> None:
    task = app.task(name="huge")(echo)
    with pytest.raises(PayloadError, match=r"of huge cannot be stored.* at most 32 MB .*Set CLEARQ_ARTIFACTS_URL"):
        await task.enqueue("x" * (TASK_BYTES + 1))
    assert (await claim(app))[1] == []
    state = await dump((await app.engine()).storage)
    assert [key for key in state if key.startswith("chunk")] == []


async def test_there_is_an_end_to_it(app: Clearq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "MOST", 4000)
    with pytest.raises(PayloadError, match="arguments of over cannot travel: 5,004 bytes are more than the 4,000"):
        await app.task(name="over")(echo).enqueue(LARGE)


@STORE
async def test_a_process_that_looks_elsewhere_says_where_it_looks(
    app: Clearq, settings: Settings, tmp_path: Path, place: str
) -> None:
    await app.task(name="where")(echo).enqueue(LARGE)
    _, [given] = await claim(app)
    for url, said in ((str(tmp_path / "other"), "It was stored in file"), ("", "this process knows no artifact")):
        async with Clearq(settings=settings.model_copy(update={"artifacts_url": url})) as other:
            with pytest.raises(PayloadError, match=f"{said}.*[Ss]et CLEARQ_ARTIFACTS_URL to the same storage"):
                await Parcels((await other.client()).engine).arguments(given)
