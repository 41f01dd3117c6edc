"""Finding tasks: the newest change first, everything that is asked for must match."""

from __future__ import annotations

from typing import Any

import pytest

from clearq.engine import Engine, search
from clearq.errors import ConflictError, TaskNotFound
from clearq.models import TaskSpec, TaskType
from tests.support.bench import NOW, Bench


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine.storage)


async def names(engine: Engine, **wanted: Any) -> str:
    return " ".join(task.spec.name for task in await engine.tasks.find(**wanted))


@pytest.fixture
async def tasks(engine: Engine, bench: Bench) -> None:
    """Tasks a to e; e changed last."""
    specs = [
        TaskSpec(name="a", project="x", tags=("t1",)),
        TaskSpec(name="b", project="x", tags=("t1", "t2")),
        TaskSpec(name="c", project="y", type=TaskType.TESTING),
        TaskSpec(name="d", project="x/sub"),
        TaskSpec(name="e"),
    ]
    for at, spec in enumerate(specs):
        await engine.tasks.create(spec, id=spec.name)
        await bench.command("ZADD", "changed", NOW + at, spec.name)
    await bench.call("enqueue", NOW + 9, "b", "default", "", "", "", "r", "", "", "", "")
    await bench.queued("function", fn="app.f")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "b e d c a"),
        ({"limit": 2}, "b e"),
        ({"limit": 0}, ""),
        ({"project": "x"}, "b a"),
        ({"project": ""}, "e"),
        ({"name": "d"}, "d"),
        ({"tags": ["t1"]}, "b a"),
        ({"tags": ["t1", "t2"]}, "b"),
        ({"tags": ["t3"]}, ""),
        ({"statuses": ["queued"]}, "b"),
        ({"statuses": ["queued", "created"], "project": "x"}, "b a"),
        ({"types": ["testing"]}, "c"),
        ({"project": "x", "name": "b", "tags": ["t2"], "statuses": ["created"]}, ""),
    ],
)
async def test_filters(engine: Engine, tasks: None, wanted: dict[str, Any], found: str) -> None:
    assert await names(engine, **wanted) == found


async def test_archived_ones(engine: Engine, tasks: None) -> None:
    await engine.tasks.archive("d")
    assert await names(engine) == "b e c a"
    assert await names(engine, archived=True) == "d"
    assert await names(engine, archived=None) == "b e d c a"
    await engine.tasks.archive("d", on=False)
    assert await names(engine) == "b e d c a"


async def test_deleted_ones_are_gone(engine: Engine, bench: Bench, tasks: None) -> None:
    await engine.tasks.delete("e")
    assert await names(engine) == "b d c a"


async def test_over_several_slices(engine: Engine, bench: Bench, tasks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_SLICE", 2)
    assert await names(engine) == "b e d c a"
    assert await names(engine, project="x") == "b a"
    assert await names(engine, limit=3) == "b e d"


async def test_a_change_meanwhile_shows_no_task_twice(
    engine: Engine, bench: Bench, tasks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_SLICE", 2)
    commands, changed = engine.storage.commands, []

    async def change_then_read(batch: Any, patience: float | None = None) -> Any:
        if not changed:
            changed.append(await bench.command("ZADD", "changed", NOW + 99, "a"))
        return await commands(batch, patience)

    monkeypatch.setattr(engine.storage, "commands", change_then_read)
    assert await names(engine) == "b e d c"


async def test_resolve(engine: Engine, bench: Bench) -> None:
    ids = ["0011aaaa0001", "0011aaaa0002", "0011bbbb0003"]
    for id in ids:
        await engine.tasks.create(TaskSpec(name="n"), id=id)
    assert await engine.tasks.resolve(ids[0]) == ids[0]
    assert await engine.tasks.resolve("0011b") == ids[2]
    assert await engine.tasks.resolve("0002") == ids[1]
    with pytest.raises(ConflictError, match="stands for 2 tasks"):
        await engine.tasks.resolve("0011a")
    for text in ("0011c", "003", ""):
        with pytest.raises(TaskNotFound):
            await engine.tasks.resolve(text)
