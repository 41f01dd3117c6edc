"""The reaper: death is a counter that stood still on the reaper's own clock, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.engine.reaper import Reaper
from clearq.engine.witness import attested
from clearq.errors import StorageUnavailable
from clearq.settings import Settings
from clearq.storage import Storage
from tests.support.bench import LABEL, SUPERVISOR, TASK, WORKER, Bench
from tests.support.valkey import ValkeyProcess


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watch:
    """A reaper, its clock and the holders that beat."""

    def __init__(self, storage: Storage, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.reaper = Reaper(storage, self.clock)
        self.storage = storage

    async def look(self, seconds: int, *beating: str) -> None:
        """So many looks, one a second, while ``beating`` beat."""
        for _ in range(seconds):
            self.clock.now += 1.0
            for holder in beating:
                await self.storage.script("beat", "", holder, "", "")
            await self.reaper.tick()

    async def holders(self) -> set[str]:
        return set(await self.storage.command("HKEYS", self.storage.keys("beats")))


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine.storage)


@pytest.fixture
def watch(engine: Engine) -> Watch:
    return Watch(engine.storage)


@pytest.fixture
async def alone(server: ValkeyProcess, tmp_path: Path) -> AsyncIterator[Storage]:
    """Storage on a server that may be stopped."""
    settings = Settings(url=SecretStr(server.url), namespace="reaper", home=tmp_path, patience=5)
    storage = await Storage.connect(settings, server.url)
    yield storage
    await storage.close()


async def task(bench: Bench, id: str = TASK) -> dict[str, str]:
    found: dict[str, str] = await bench.command("HGETALL", f"t:{id}")
    return found


async def test_silence_for_the_whole_window_is_death(bench: Bench, watch: Watch) -> None:
    await bench.worker("w1")
    await bench.worker("w2")
    await watch.look(15, "w1")
    assert await watch.holders() == {"w1", "w2"}
    await watch.look(1, "w1")
    assert await watch.holders() == {"w1"}
    await watch.look(30, "w1")
    assert await watch.holders() == {"w1"}


async def test_one_beat_in_the_last_second_is_life(bench: Bench, watch: Watch) -> None:
    await bench.worker()
    for _ in range(4):
        await watch.look(14)
        await watch.look(1, WORKER)
    assert await watch.holders() == {WORKER}


async def test_nothing_compares_clocks(bench: Bench, watch: Watch) -> None:
    """The bench's workers were last seen in another year."""
    await bench.worker()
    await bench.command("ZADD", "workers", 0, WORKER)
    await watch.look(30, WORKER)
    assert await watch.holders() == {WORKER}


async def test_functions_and_claims_run_again_and_scripts_are_lost(bench: Bench, watch: Watch) -> None:
    await bench.running("script")
    await bench.claimed("claimed")
    await bench.function("function", "wf")
    await watch.look(16)
    assert await watch.holders() == set()
    assert (await task(bench, "function"))["status"] == "queued"
    assert (await task(bench, "claimed"))["status"] == "queued"
    assert (await task(bench, "script"))["stage"] == "lost"


async def test_only_the_dead_holder_loses(bench: Bench, watch: Watch) -> None:
    await bench.running()
    await watch.look(20, SUPERVISOR)
    found = await task(bench)
    assert (found["stage"], found["holder"]) == ("running", SUPERVISOR)
    assert await watch.holders() == {SUPERVISOR}


@pytest.mark.parametrize(("held_up", "dead"), [(4.0, True), (5.5, False), (3600.0, False)])
async def test_a_reaper_that_was_held_up_forgets(bench: Bench, watch: Watch, held_up: float, dead: bool) -> None:
    await bench.worker()
    await watch.look(13)
    watch.clock.now += held_up - 1.0
    await watch.look(1)
    assert (await watch.holders() == set()) == dead
    if not dead:
        await watch.look(14)
        assert await watch.holders() == {WORKER}
        await watch.look(2)
        assert await watch.holders() == set()


async def test_a_server_that_was_away_kills_nobody(server: ValkeyProcess, alone: Storage) -> None:
    bench, watch = Bench(alone), Watch(alone)
    await bench.worker()
    await watch.look(13)
    server.kill()
    with pytest.raises(StorageUnavailable):
        await watch.look(1)
    server.start()
    await watch.look(15)
    assert await watch.holders() == {WORKER}
    await watch.look(1)
    assert await watch.holders() == set()


async def test_a_server_that_was_replaced_between_two_looks_is_noticed(server: ValkeyProcess, alone: Storage) -> None:
    """The connection is made anew without an error, so that only the run id tells."""
    bench, watch = Bench(alone), Watch(alone)
    await bench.worker()
    await watch.look(9)
    server.restart()
    await alone.command("PING")
    await watch.look(14)
    assert await watch.holders() == {WORKER}
    await watch.look(6)
    assert await watch.holders() == set()


def long_running(storage: Storage, monkeypatch: pytest.MonkeyPatch, seconds: int = 3600) -> None:
    """The server says that it has run for so long."""
    command = storage.command

    async def answer(*arguments: Any, **rest: Any) -> Any:
        if arguments == ("INFO", "server"):
            return {"run_id": "r", "uptime_in_seconds": seconds}
        return await command(*arguments, **rest)

    monkeypatch.setattr(storage, "command", answer)


async def beaten(bench: Bench, ago: float) -> None:
    """A worker whose last heartbeat is so old; there are traces of the server's work every 4 s since."""
    await bench.worker()
    whole, _ = await bench.storage.command("TIME")
    await bench.command("DEL", "events")
    for seconds in range(int(ago), 0, -4):
        await bench.command("XADD", "events.fn", f"{(int(whole) - seconds) * 1000}-1", "name", "queued")
    await bench.command("ZADD", "workers", int((int(whole) - ago) * 1000), WORKER)


@pytest.mark.parametrize(("ago", "looks"), [(4.0, 12), (12.0, 6)])
async def test_a_new_reaper_believes_a_silence_that_the_server_attests(
    bench: Bench, watch: Watch, monkeypatch: pytest.MonkeyPatch, ago: float, looks: int
) -> None:
    long_running(watch.storage, monkeypatch)
    await beaten(bench, ago)
    await watch.look(looks - 2)
    assert await watch.holders() == {WORKER}
    await watch.look(2)
    assert await watch.holders() == set()


async def test_a_server_that_was_away_attests_nothing(
    bench: Bench, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that has just begun nor one that was out of reach for a while."""
    await beaten(bench, 12.0)
    long_running(watch.storage, monkeypatch, seconds=15)
    assert await attested(watch.storage, 15.0, 5.0) == {}
    long_running(watch.storage, monkeypatch)
    assert await attested(watch.storage, 15.0, 5.0) == {WORKER: 10.0}
    await bench.command("DEL", "events.fn")
    assert await attested(watch.storage, 15.0, 5.0) == {}
    assert await attested(watch.storage, 30.0, 5.0) != {}


async def test_a_beat_between_look_and_reclaim_saves(
    bench: Bench, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.worker()
    await watch.look(15)
    script = watch.storage.script

    async def beat_first(name: str, *arguments: str, **rest: float | None) -> object:
        if name == "reclaim":
            await script("beat", "", WORKER, "", "")
        return await script(name, *arguments, **rest)

    monkeypatch.setattr(watch.storage, "script", beat_first)
    await watch.look(1)
    assert await watch.holders() == {WORKER}
    monkeypatch.undo()
    await watch.look(10)
    assert await watch.holders() == {WORKER}


async def test_a_restarted_label_is_another_holder(bench: Bench, watch: Watch) -> None:
    await bench.worker()
    await watch.look(14)
    await bench.call("unregister", "", WORKER)
    await bench.call("register", "", "w2", LABEL, "q:default")
    await watch.look(10)
    assert await watch.holders() == {"w2"}


async def test_three_keep_the_duty_and_a_fourth_waits_for_a_seat(engine: Engine, bench: Bench) -> None:
    clock = Clock()
    watches = [Watch(engine.storage, clock) for _ in range(4)]
    assert [await watch.reaper.tick() for watch in watches] == [None, None, None, 2.0]
    await bench.command("DEL", "duty:reaper.1")
    clock.now += 5.0
    assert await watches[3].reaper.tick() is None
    assert [await watch.reaper.tick() for watch in watches[:3]] == [None, 2.0, None]


async def test_two_reapers_at_once_take_back_once(engine: Engine, bench: Bench) -> None:
    clock = Clock()
    watches = [Watch(engine.storage, clock) for _ in range(2)]
    await bench.function()
    for _ in range(17):
        clock.now += 1.0
        for watch in watches:
            await watch.reaper.tick()
    found = await task(bench)
    assert (found["status"], found["losses"]) == ("queued", "1")


async def test_its_window_is_a_setting(settings: Settings, bench: Bench) -> None:
    storage = await Storage.connect(settings.model_copy(update={"dead_after": 3.0}), settings.url.get_secret_value())
    watch = Watch(storage)
    await bench.worker()
    await watch.look(3)
    assert await watch.holders() == {WORKER}
    await watch.look(1)
    assert await watch.holders() == set()
    await storage.close()


async def test_a_task_that_kills_its_worker_again_and_again_is_set_aside(bench: Bench, watch: Watch) -> None:
    """Three losses run again, the fourth fails."""
    for attempt in range(4):
        worker = f"w{attempt}"
        await (bench.function(worker=worker) if attempt == 0 else claim_again(bench, worker))
        await watch.look(16)
        found = await task(bench)
        assert (found["status"], found["losses"]) == ("queued" if attempt < 3 else "failed", str(attempt + 1))
    assert await bench.command("ZRANGE", "dead", 0, -1) == [TASK]
    assert found["status_reason"] == "lost with its worker"


async def claim_again(bench: Bench, worker: str) -> None:
    await bench.worker(worker, "fn:default")
    answer = await bench.call("claim_many", "", worker, f"n-{worker}", 1, 1, "fn", "default", 1)
    assert answer[0] == "claimed"


async def test_an_acl_user_without_info_reaps_all_the_same(
    bench: Bench, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearq.errors import StorageDenied

    command = watch.storage.command

    async def denied(*words: str | int, **rest: float | None) -> object:
        if words[0] == "INFO":
            raise StorageDenied("no permission to run the 'info' command")
        return await command(*words, **rest)

    await bench.worker()
    monkeypatch.setattr(watch.storage, "command", denied)
    await watch.look(16)
    assert await watch.holders() == set()
