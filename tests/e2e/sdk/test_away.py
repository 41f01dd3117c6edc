"""The server goes away and comes back; the training does not notice (issue: the reports follow later)."""

from __future__ import annotations

from pathlib import Path

from clearq.engine import Engine
from clearq.models import AttemptFile, TaskSpec
from clearq.models.ids import new_id
from clearq.settings import Settings
from tests.support.sdk import Program, Start
from tests.support.valkey import ValkeyProcess

REPORTS = """
    import sys
    from clearq import Task
    task = Task.init("p", "n")
    log = task.get_logger()
    i = 0
    for line in sys.stdin:
        for _ in range(1000):
            log.report_scalar("loss", "train", i, i)
            i += 1
        task.connect({f"step{i}": i})
        print("reported", i, flush=True)
"""


def go(process: object, expected: int) -> None:
    process.stdin.write("\n")  # type: ignore[attr-defined]
    process.stdin.flush()  # type: ignore[attr-defined]
    assert process.stdout.readline() == f"reported {expected}\n"  # type: ignore[attr-defined]


def environment(server: ValkeyProcess, settings: Settings) -> dict[str, str]:
    return {"CLEARQ_URL": server.url, "CLEARQ_NAMESPACE": settings.namespace, "CLEARQ_PATIENCE": "0.2"}


async def test_reports_follow_when_the_server_is_back(start: Start, server: ValkeyProcess, settings: Settings) -> None:
    process = start(REPORTS, env=environment(server, settings))
    go(process, 1000)
    server.kill()
    go(process, 2000)
    go(process, 3000)
    server.start()
    go(process, 4000)
    assert process.stdin is not None and process.stderr is not None
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    told = process.stderr.read()
    assert "Traceback" not in told
    engine = await Engine.connect(settings.model_copy(update={"url": _secret(server.url)}))
    try:
        (task,) = await engine.tasks.find()
        points = await engine.metrics.points(task.id, "loss", "train")
        assert [point.iteration for point in points] == list(range(4000))
        assert task.status == "completed"
        assert set(task.spec.parameters) == {f"General/step{i}" for i in (1000, 2000, 3000, 4000)}
        text = "\n".join(line.text for line in await engine.logs.read(task.id) if line.stream == "stdout")
        assert text.splitlines() == [f"reported {i}" for i in (1000, 2000, 3000, 4000)]
    finally:
        await engine.close()


async def test_a_server_that_is_not_there_yet(start: Start, server: ValkeyProcess, settings: Settings) -> None:
    server.kill()
    process = start(REPORTS, env=environment(server, settings))
    go(process, 1000)
    server.start()
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    engine = await Engine.connect(settings.model_copy(update={"url": _secret(server.url)}))
    try:
        (task,) = await engine.tasks.find()
        assert task.status == "completed"
        assert len(await engine.metrics.points(task.id, "loss", "train")) == 1000
    finally:
        await engine.close()


def test_a_server_that_never_comes(program: Program, server: ValkeyProcess, settings: Settings) -> None:
    server.kill()
    done = program(
        """
        from clearq.sdk import run
        run.CLOSE_TIMEOUT = 1.0
        from clearq import Task
        task = Task.init("p", "n")
        task.get_logger().report_scalar("loss", "train", 1, 1)
        print("trained")
        task.live_run.outbox.tried.wait(30)
        task.live_run.finish(timeout=1.0)
        """,
        env=environment(server, settings),
    )
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert "this program goes on, its reports follow" in done.stderr
    assert "clearq WARNING - The server did not answer within 1 s: the last reports of task" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_task_that_ends_while_the_server_is_away(
    start: Start, server: ValkeyProcess, settings: Settings, tmp_path: Path
) -> None:
    ours = settings.model_copy(update={"url": _secret(server.url)})
    task_id, engine = new_id(), await Engine.connect(ours)
    try:
        claim = await engine.attempts.begin(TaskSpec(name="n"), id=task_id, holder_id="supervisor")
        file = AttemptFile(
            url=server.url,
            namespace=settings.namespace,
            home=str(settings.home),
            task=claim.task,
            fence=claim.fence,
            holder=claim.holder,
        )
        (tmp_path / "attempt.json").write_text(file.model_dump_json())
        process = start(
            """
            import sys
            from clearq import Task
            from clearq.sdk import outbox, run
            run.CLOSE_TIMEOUT = 0.3
            flush = outbox.Outbox.flush
            def tell(self, timeout):
                done = flush(self, timeout)
                print("flushed", done, flush=True)
                return done
            outbox.Outbox.flush = tell
            task = Task.init("p", "n")
            sys.stdin.readline()
            task.get_logger().report_scalar("loss", "train", 1, 1)
            """,
            env={"CLEARQ_ATTEMPT": str(tmp_path / "attempt.json"), "CLEARQ_PATIENCE": "0.2"},
        )
        server.kill()
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write("\n")
        process.stdin.close()
        assert [process.stdout.readline() for _ in range(2)] == ["flushed False\n"] * 2
        server.start()
        assert process.wait(timeout=60) == 0
        assert "are lost" not in process.stderr.read()
        assert [point.value for point in await engine.metrics.points(task_id, "loss", "train")] == [1]
    finally:
        await engine.close()


def _secret(url: str) -> object:
    from pydantic import SecretStr

    return SecretStr(url)
