"""The async face (rows A-012, A-013)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clearq import Clearq, Task
from clearq.app import ScriptCall, Submission
from clearq.errors import QueueNotFound, StatusConflict, TaskFailed, TaskNotFound, WaitTimeout
from clearq.models import Needs, Place, Script, TaskSpec
from clearq.sdk.connection import disconnect
from clearq.settings import Settings

SPEC = TaskSpec(name="train", project="p", script=Script(repository="https://host/r.git", entry_point="train.py"))


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Clearq]:
    async with Clearq(settings=settings) as app:
        yield app


async def test_submit_and_look(app: Clearq) -> None:
    handle = await app.submit(SPEC, Submission(priority=5))
    task = await handle.task()
    assert (task.status, task.queue, task.priority, task.spec) == ("queued", "default", 5, SPEC)
    assert (await app.get(handle.id[:20])).id == handle.id
    assert [found.id for found in await app.find(project="p")] == [handle.id]
    assert {queue.name: queue.waiting for queue in await app.queues()} == {"default": 1, "services": 0}
    with pytest.raises(QueueNotFound):
        await app.submit(SPEC, Submission(queue="gpu"))
    assert (await app.submit(SPEC, Submission(queue="gpu", create_queue=True))).id
    with pytest.raises(TaskNotFound):
        await app.get("ffff")


async def test_a_script_of_this_machine(app: Clearq, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import pytest\n")
    call = ScriptCall("one.py", ("--lr", "1"), directory=tmp_path, needs=Needs(gpus=1), tags=["a"])
    task = await (await app.submit(call)).task()
    assert (task.spec.name, task.spec.script.entry_point, task.spec.script.argv) == ("one", "one.py", ("--lr", "1"))
    assert task.spec.script.diff == "import pytest\n"
    assert "pytest==" in (task.spec.script.requirements or "")
    assert (task.spec.needs.gpus, task.spec.tags) == (1, ("a",))


async def test_enqueue_dequeue_move(app: Clearq) -> None:
    first, second = await app.create(SPEC), await app.create(SPEC)
    answer = await app.enqueue(first)
    assert answer.fields["status"] == "queued"
    with pytest.raises(StatusConflict):
        await app.enqueue(first)
    await app.enqueue(second.id, priority=-1)
    assert await app.move("default", second, Place(front=True)) == 0
    await app.dequeue(first)
    assert await first.status() == "created"


async def test_wait_stop_clone_delete(app: Clearq) -> None:
    handle = await app.submit(SPEC)
    with pytest.raises(WaitTimeout):
        await handle.wait(timeout=0.01)
    waiting = asyncio.create_task(handle.wait(timeout=30))
    assert await handle.stop("enough") == "stopped"
    assert (await waiting).status == "stopped"
    with pytest.raises(TaskFailed, match="is stopped: enough"):
        await handle.wait(check=True)
    copy = await handle.clone(name="copy")
    assert (await copy.task()).spec.name == "copy"
    await copy.delete()
    with pytest.raises(TaskNotFound):
        await copy.task()


async def test_what_a_run_left_behind(
    app: Clearq, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLEARQ_URL", settings.url.get_secret_value())
    monkeypatch.setenv("CLEARQ_NAMESPACE", settings.namespace)
    monkeypatch.setenv("CLEARQ_HOME", str(settings.home))
    monkeypatch.setenv("CLEARQ_ARTIFACTS_URL", str(tmp_path / "store"))

    def run() -> str:
        task = Task.init("p", "n", auto_connect_streams=False)
        task.get_logger().report_scalar("loss", "train", 0.5, 1)
        task.get_logger().report_text("a line", print_console=False)
        task.upload_artifact("a", {"x": 1})
        task.close()
        disconnect()
        return task.id

    handle = await app.get(await asyncio.to_thread(run))
    assert (await handle.wait(check=True)).status == "completed"
    assert [line.text async for line in handle.logs()] == ["a line"]
    assert [line.text async for line in handle.logs(follow=True)] == ["a line"]
    assert [(one.title, one.last) for one in await handle.scalars()] == [("loss", 0.5)]
    assert set(await handle.artifacts()) == {"a"}


async def test_events_as_they_happen(app: Clearq) -> None:
    before = await (await app.engine()).events.last_id()
    handle = await app.submit(SPEC)
    async with asyncio.timeout(30):
        async for event in app.events(before):
            if event.name == "task.queued":
                assert event.task == handle.id
                break
