"""``clearq queue`` from outside."""

from __future__ import annotations

from typing import Any

from clearq.cli import exits
from clearq.engine import Engine
from clearq.engine.calls import Call
from clearq.engine.ids import new_id
from clearq.models import Lane, TaskSpec, WorkerInfo
from tests.integration.cli.conftest import Shell


async def submit(engine: Engine, *names: str, queue: str = "default", **options: Any) -> dict[str, str]:
    return {name: await engine.tasks.submit(TaskSpec(name=name), queue, **options) for name in names}


async def test_a_fresh_server_has_the_built_in_queues_and_ids_stay(shell: Shell) -> None:
    listed = await shell("queue", "ls", "--json")
    assert [queue["name"] for queue in listed.json] == ["default", "services"]
    made = await shell("queue", "create", "GPU Queue", "--tag", "lab 1")
    assert made.out == "gpu-queue\n"
    assert "clearq agent --queue 'GPU Queue'" in made.err
    await shell("queue", "rename", "GPU Queue", "Big GPUs")
    queue = next(each for each in (await shell("queue", "ls", "--json")).json if each["id"] == "gpu-queue")
    assert (queue["name"], queue["tags"]) == ("Big GPUs", ["lab 1"])
    again = await shell("queue", "create", "Big GPUs", code=exits.CONFLICT)
    assert again.err.startswith("error: ")


async def test_an_unknown_queue_lists_those_there_are(shell: Shell) -> None:
    done = await shell("queue", "show", "it's not there", code=exits.NOT_FOUND)
    assert "'default', 'services'" in done.err
    assert "clearq queue create" in done.err


async def test_show_lists_tasks_in_run_order_by_name_or_id(shell: Shell, engine: Engine) -> None:
    await engine.queues.create("CPU Queue")
    await submit(engine, "low", queue="CPU Queue")
    await submit(engine, "high", queue="CPU Queue", priority=5)
    for name in ("CPU Queue", "cpu-queue"):
        shown = (await shell("queue", "show", name, "--json")).json
        assert [task["spec"]["name"] for task in shown["tasks"]] == ["high", "low"]
        assert (shown["waiting"], shown["workers"], shown["listening"]) == (2, 0, [])
    page = (await shell("queue", "show", "CPU Queue", "--limit", "1")).out
    assert "clearq agent --queue 'CPU Queue'" in page
    assert page.index("high") and "low" not in page.partition("run first")[2]


async def test_a_worker_that_can_take_nothing_of_it_is_told_as_such(shell: Shell, engine: Engine) -> None:
    """Function workers take no scripts and no functions with GPUs, agents no other functions."""
    await submit(engine, "script")
    functions = WorkerInfo(label="w", kind="function", lanes=(Lane(queue="default", kind="function"),))
    holder = await engine.workers.register(functions)
    shown = (await shell("queue", "show", "default", "--json")).json
    assert (shown["waiting"], shown["for_agents"], shown["workers"], shown["agents"]) == (1, 1, 1, 0)
    page = (await shell("queue", "show", "default")).out
    assert "no agent" in page and "w (functions)" in page
    assert "agent; start one: clearq agent --queue default" in page
    assert "no agent" in (await shell("queue", "ls")).out
    [task] = await engine.queues.waiting("default")
    assert "No agent serves queue 'default' (function workers do" in (await shell("task", "why", task.id)).out
    await engine.workers.unregister(holder)
    await engine.workers.register(WorkerInfo(label="a", lanes=(Lane(queue="default"),)))
    await engine.functions.enqueue(Call(new_id(), "f", b"[]", "default"))
    page = (await shell("queue", "show", "default")).out
    assert "no function worker" in page and "a (agent)" in page
    assert "clearq worker run MODULE:APP --queues default" in page
    await engine.workers.register(functions)
    assert (await engine.queues.get("default")).lacks == ""
    assert "open" in (await shell("queue", "ls")).out


async def test_move_tells_the_new_place_and_changes_the_order(shell: Shell, engine: Engine) -> None:
    ids = await submit(engine, "a", "b", "c", "d")
    for words, order in (
        (("d", "--front"), "dabc"),
        (("d", "--back"), "abcd"),
        (("c", "--up", "1"), "acbd"),
        (("a", "--down", "2"), "cbad"),
        (("d", "--to", "2"), "cdba"),
        (("a", "--before", "d"), "cadb"),
        (("c", "--after", "b"), "adbc"),
    ):
        name, *where = (ids.get(word, word) for word in words)
        done = await shell("queue", "move", "default", name, *where)
        assert done.out == f"place {order.index(words[0]) + 1} of 4 in queue default\n"
        assert [task.spec.name for task in await engine.queues.waiting("default")] == list(order)


async def test_move_refuses_nonsense(shell: Shell, engine: Engine) -> None:
    ids = await submit(engine, "a")
    zero = await shell("queue", "move", "default", ids["a"], "--to", "0", code=exits.USAGE)
    assert "counted from 1" in zero.err
    await shell("queue", "move", "default", ids["a"], "--before", ids["a"], code=exits.USAGE)
    await shell("queue", "move", "default", "ffff", "--front", code=exits.NOT_FOUND)
    await shell("queue", "move", "services", ids["a"], "--front", code=exits.CONFLICT)


async def test_pause_says_who_and_why_until_resume(shell: Shell) -> None:
    await shell("queue", "pause", "default", "--why", "cooling\x1b[2J fails")
    paused = (await shell("queue", "ls")).out
    assert "paused: cooling\\x1b[2J fails" in paused
    assert "Paused" in (await shell("queue", "show", "default")).out
    resumed = await shell("queue", "resume", "default", "--json")
    assert resumed.json["pause"] is None


async def test_a_long_clear_tells_how_it_goes_on(shell: Shell, engine: Engine) -> None:
    calls = [Call(new_id(), "app.f", b"[]") for _ in range(2500)]
    await engine.functions.enqueue_many(calls)
    done = await shell("queue", "clear", "default")
    assert done.out == "2,500 tasks taken off queue default\n"
    assert "clearing queue default\n" in done.err and "functions are in no list" in done.err
    why = await shell("task", "why", calls[0].id)
    assert why.out == "It is a draft: it was taken off its queue (queue cleared).\n"
    told: list[int] = []
    await engine.functions.enqueue_many([call._replace(id=new_id()) for call in calls])
    assert await engine.queues.clear("default", told.append) == 2500
    assert told == [800, 1600, 2400]


async def test_clear_makes_drafts(shell: Shell, engine: Engine) -> None:
    ids = await submit(engine, "a", "b")
    done = await shell("queue", "clear", "default")
    assert done.out == "2 tasks taken off queue default\n"
    assert [(await engine.tasks.get(each)).status for each in ids.values()] == ["created", "created"]


async def test_rm_asks_for_force_while_tasks_wait(shell: Shell, engine: Engine) -> None:
    await engine.queues.create("x")
    await submit(engine, "a", queue="x")
    await shell("queue", "rm", "x", code=exits.CONFLICT)
    lanes = (Lane(queue="x", kind="script"),)
    await engine.workers.register(WorkerInfo(label="h:0", lanes=lanes))
    lanes = (Lane(queue="x", kind="function"),)
    await engine.workers.register(WorkerInfo(label="h:fn0", kind="function", lanes=lanes))
    said = (await shell("queue", "rm", "x", "--force")).err
    assert "h:0 served it; a new queue of that name is served after a restart" in said
    assert "h:fn0 served it; a new queue of that name is served as well" in said
    await shell("queue", "show", "x", code=exits.NOT_FOUND)


async def test_history_is_printed(shell: Shell, engine: Engine) -> None:
    nothing = await shell("queue", "history", "default")
    assert "no history" in nothing.err
    await submit(engine, "a", "b")
    for duty in engine.duties():
        if duty.name == "history":
            await duty.tick()
            await duty.tick()
    samples = (await shell("queue", "history", "default", "--since", "5m", "--json")).json
    assert samples[-1]["waiting"] == 2
    table = (await shell("queue", "history", "default")).out
    assert "waiting" in table
    assert "█" in table


async def test_names_of_all_kinds_survive(shell: Shell) -> None:
    names = ["with space", "quo\"te's", "new\nline", "🚀 日本語", "x" * 10_000]
    await shell("queue", "create", *names)
    listed = (await shell("queue", "ls", "--json")).json
    assert {queue["name"] for queue in listed} == {*names, "default", "services"}
    table = (await shell("queue", "ls")).out.splitlines()
    assert len(table) == len(names) + 3
    assert max(map(len, table)) < 400
    assert any("new\\nline" in line for line in table)


async def test_a_fair_queue_shows_who_waits(shell: Shell, engine: Engine) -> None:
    await shell("queue", "create", "renders", "--fair", "--weight", "gold=3")
    await submit(engine, "a", "b", queue="renders", fair="big")
    await submit(engine, "c", queue="renders", fair="small")
    page = (await shell("queue", "show", "renders")).out
    assert "keys take turns" in page and page.index("Keys that take turns") < page.rindex("gold")
    refused = await shell("queue", "fair", "renders", "--off", code=exits.CONFLICT)
    assert "3 tasks wait" in refused.err
    listed = await shell("queue", "fair", "renders", "--json", "--weight", "big=2")
    keys = [(each["key"], each["waiting"], each["weight"]) for each in listed.json["keys"]]
    assert keys == [("big", 2, 2), ("small", 1, 1), ("gold", 0, 3)]
    await engine.queues.clear("renders")
    assert "in order of arrival" in (await shell("queue", "fair", "renders", "--off")).out
