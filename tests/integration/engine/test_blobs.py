"""Blobs: in Redis in chunks, with a bound; files; and what the sweeper makes of those that nothing refers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearq.artifacts import store_for
from clearq.engine import Engine
from clearq.engine.blobs import CHUNK, FILE, TASK_BYTES, Blob, place_of
from clearq.engine.sweeper import Sweeper
from clearq.errors import ArtifactFull, ArtifactMissing
from clearq.settings import Settings
from clearq.storage import Storage
from tests.support.state import dump

DATA = bytes(range(256)) * (3 * CHUNK // 256) + b"rest"


async def test_chunks_come_back_as_they_were(engine: Engine) -> None:
    for number, data in enumerate((DATA, b"", b"x" * CHUNK)):
        blob = Blob("t1", f"args.{number}")
        await engine.blobs.put(blob, data)
        assert await engine.blobs.get(blob) == data
        await engine.blobs.drop(blob)
        with pytest.raises(ArtifactMissing, match=f"args.{number} of task t1 is not in Redis"):
            await engine.blobs.get(blob)


async def test_a_task_has_only_so_much_room(engine: Engine) -> None:
    first, second = Blob("t1", "args.1"), Blob("t1", "artifact.2")
    await engine.blobs.put(first, bytes(TASK_BYTES - CHUNK))
    with pytest.raises(ArtifactFull, match=r"at most 32 MB .*Set CLEARQ_ARTIFACTS_URL"):
        await engine.blobs.put(second, bytes(CHUNK + 1))
    await engine.blobs.put(second, bytes(CHUNK))
    await engine.blobs.drop(first)
    await engine.blobs.drop(second)


async def test_the_sweeper_deletes_what_nothing_refers_to(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    with_store = settings.model_copy(update={"artifacts_url": str(tmp_path / "store")})
    store = store_for(with_store)
    used, unused, chunks = (
        Blob("t1", "args.1", place_of(store)),
        Blob("t2", "args.2", place_of(store)),
        Blob("t3", "args.3"),
    )
    elsewhere = Blob("t4", "args.4", "s00000000")
    await engine.storage.command("HSET", engine.storage.keys("t", "t1"), "fn", "f", "args", '{"name":"args.1"}')
    await engine.blobs.expect([used, unused, chunks, elsewhere])
    for blob in (used, unused):
        store.put(DATA, blob.task, blob.name, file_name=FILE)
    await engine.blobs.put(chunks, DATA)
    storage = await Storage.connect(with_store, settings.url.get_secret_value())
    sweeper = Sweeper(storage, engine.blobs, engine.tasks)
    assert await sweeper.tick() is None
    assert (await dump(engine.storage))["blobs"].keys() == {str(b) for b in (used, unused, chunks, elsewhere)}
    await engine.blobs.look_soon([used, unused, chunks, elsewhere])
    assert await sweeper.tick() is None
    assert store.read("t1", "args.1", FILE) == DATA
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["t1"]
    state = await dump(engine.storage)
    assert list(state["blobs"]) == [str(used)]
    assert list(state["blobs.dead"]) == [str(elsewhere)], "another process may have that store"
    assert "chunks:t3" not in state
    other = Sweeper(engine.storage, engine.blobs, engine.tasks)
    assert await other.tick() == 60.0, "one process sweeps for all"
    await storage.close()
