"""``clearq task`` and ``clearq worker`` from outside."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from clearq.cli import exits
from clearq.engine import Engine
from clearq.models import ArtifactInfo, ExecutorKind, Function, Parameter, ScalarPoint, TaskSpec
from tests.integration.cli.conftest import PlayedWorker, Shell

MakeWorker = Callable[..., Awaitable[PlayedWorker]]


async def test_ls_filters_and_keeps_odd_names_on_one_line(shell: Shell, engine: Engine) -> None:
    empty = await shell("task", "ls")
    assert (empty.out, "clearq run" in empty.err) == ("", True)
    names = ["plain", "two\nlines \x1b[31m", "🚀 日本語", "x" * 10_000, "[bold]m[/bold]"]
    ids = {name: (await engine.tasks.create(TaskSpec(name=name, tags=("t",)))).id for name in names}
    await engine.tasks.enqueue(ids["plain"], "default")
    table = (await shell("task", "ls")).out
    assert len(table.splitlines()) == len(names) + 1
    assert "\x1b" not in table
    listed = (await shell("task", "ls", "--json", "--tag", "t")).json
    assert {task["spec"]["name"] for task in listed} == set(names)
    queued = await shell("task", "ls", "-q", "--status", "queued")
    assert queued.out == ids["plain"] + "\n"
    wrong = await shell("task", "ls", "--status", "sleeping", code=exits.USAGE)
    assert "in_progress" in wrong.err


async def test_show_says_which_function_is_called(shell: Shell, engine: Engine) -> None:
    called = Function(name="lab.train", module="lab", args="[0.1]")
    task = await engine.tasks.create(TaskSpec(name="lab.train", executor=ExecutorKind.FUNCTION, function=called))
    page = (await shell("task", "show", task.id)).out
    assert "lab.train" in page.partition("Runs")[2]
    assert "[0.1]" in page
    await engine.tasks.enqueue(task.id, "default")
    # Nobody could run it: its code stays where it was enqueued.
    assert "No agent serves queue 'default'" in (await shell("task", "why", task.id)).out


async def test_show_has_results_and_the_wait_in_one_sentence(
    shell: Shell, engine: Engine, played_worker: MakeWorker
) -> None:
    spec = TaskSpec(name="train", project="Project MLOps", parameters={"Args/lr": Parameter(value="0.1")})
    task_id = await engine.tasks.submit(spec, "default")
    why = await shell("task", "why", task_id[:20])
    assert "No agent serves queue 'default'" in why.out
    worker = await played_worker("default")
    claim = await worker.run(("stdout", "hello"))
    points = [ScalarPoint(title="loss", series="train", value=0.5, iteration=9)]
    await engine.metrics.report(task_id, points, fence=claim.fence)
    await engine.metrics.single_value(task_id, "accuracy", 0.97, fence=claim.fence)
    await engine.artifacts.put(task_id, ArtifactInfo(name="model", url="file:///m", size=2048))
    page = (await shell("task", "show", task_id)).out
    for text in ("in_progress", "host1:0", "Project MLOps", "Args/lr", "accuracy", "loss", "2.0 KB"):
        assert text in page
    document = (await shell("task", "show", task_id, "--json")).json
    assert document["single_values"]["accuracy"] == 0.97
    assert document["artifacts"]["model"]["size"] == 2048
    listed = (await shell("worker", "ls", "--json")).json
    assert [each["name"] for each in listed[0]["running"]] == ["train"]
    table = (await shell("worker", "ls")).out.splitlines()
    assert table[1].split()[:3] == ["host1:0", "working", "train"]
    assert "default" in (await shell("worker", "show", "host1:0")).out
    await shell("worker", "show", "nobody", code=exits.NOT_FOUND)


async def test_ids_may_be_shortened_while_they_are_unique(shell: Shell, engine: Engine) -> None:
    spec = TaskSpec(name="t")
    for task_id in ("abcd" + "0" * 28, "abcd" + "1" * 28):
        await engine.tasks.create(spec, id=task_id)
    assert (await shell("task", "show", "abcd1", "--json")).json["id"] == "abcd" + "1" * 28
    await shell("task", "show", "abcd", code=exits.CONFLICT)
    await shell("task", "show", "ffff", code=exits.NOT_FOUND)


async def test_a_life_by_verbs(shell: Shell, engine: Engine) -> None:
    task_id = (
        await engine.tasks.create(TaskSpec(name="t", parameters={"Args/n": Parameter(value="1", type="int")}))
    ).id
    copy = (await shell("task", "clone", task_id, "--name", "copy")).out.strip()
    await shell("task", "edit", copy, "--set", "Args/n=2", "--tag", "x")
    await shell("task", "edit", copy, "--set", "Args/n=two", code=exits.USAGE)
    edited = await engine.tasks.get(copy)
    assert (edited.spec.name, edited.spec.parameters["Args/n"].value, edited.spec.tags) == ("copy", "2", ("x",))
    enqueued = await shell("task", "enqueue", copy, task_id, "--priority", "3")
    assert enqueued.out == f"{copy} queued, place 1\n{task_id} queued, place 2\n"
    refused = await shell("task", "enqueue", copy, code=exits.CONFLICT)
    assert "queued" in refused.err
    await shell("task", "enqueue", task_id, "--queue", "none", code=exits.NOT_FOUND)
    assert (await shell("task", "dequeue", copy)).out == f"{copy} created\n"
    assert (await shell("task", "stop", task_id, "--reason", "enough")).out == f"{task_id} stopped\n"
    assert (await shell("task", "wait", task_id, code=exits.INTERRUPTED)).out.startswith(f"{task_id} stopped")
    await shell("task", "reset", task_id)
    await shell("task", "archive", task_id)
    assert (await shell("task", "ls", "-q")).out == f"{copy}\n"
    some = await shell("task", "rm", "ffff", copy, task_id, code=exits.NOT_FOUND)
    assert some.out == f"{copy} deleted\n{task_id} deleted\n"


async def test_logs_keep_streams_apart_and_follow(shell: Shell, engine: Engine, played_worker: MakeWorker) -> None:
    task_id = await engine.tasks.submit(TaskSpec(name="t"), "default")
    nothing = await shell("task", "logs", task_id)
    assert (nothing.out, "queued" in nothing.err) == ("", True)
    worker = await played_worker("default")
    claim = await worker.run(("stdout", "one\ntwo"), ("stderr", "bad"), ("clearq", "prepared"))
    done = await shell("task", "logs", task_id)
    assert done.out == "one\ntwo\n"
    assert done.err == "bad\nclearq: prepared\n"
    assert (await shell("task", "logs", "-n", "3", task_id)).out == "two\n"
    following = await shell.start("task", "logs", "-f", task_id)
    assert following.stdout is not None
    assert await following.stdout.readline() == b"one\n"
    await worker.print(claim, ("stdout", "three"))
    await engine.attempts.complete(task_id, claim.fence)
    out, _ = await following.communicate()
    assert out == b"two\nthree\n"
    assert following.returncode == 0
    records = [json.loads(line) for line in (await shell("task", "logs", "--json", task_id)).out.splitlines()]
    assert [record["stream"] for record in records] == ["stdout", "stderr", "clearq", "stdout"]


async def test_wait_gives_the_users_exit_code_and_124_on_timeout(
    shell: Shell, engine: Engine, played_worker: MakeWorker
) -> None:
    task_id = await engine.tasks.submit(TaskSpec(name="t"), "default")
    late = await shell("task", "wait", task_id, "--timeout", "0.2s", code=exits.TIMEOUT)
    assert task_id in late.err
    claim = await (await played_worker("default")).run()
    await engine.attempts.fail(task_id, claim.fence, exit_code=7, reason="exit code 7")
    done = await shell("task", "wait", task_id, code=7)
    assert done.out == f"{task_id} failed (exit code 7)\n"


async def test_a_server_that_is_away_is_one_sentence(shell: Shell) -> None:
    shell.environ["CLEARQ_PATIENCE"] = "0"
    done = await shell("task", "ls", "--url", "redis://:secret@127.0.0.1:1/0", code=exits.STORAGE)
    assert done.err.startswith("error: ")
    assert "secret" not in done.err
