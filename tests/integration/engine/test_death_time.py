"""When death is declared: what a dead host ran is to run again within ``dead_after`` of its last heartbeat."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearq.engine.reaper import Reaper
from clearq.settings import Settings
from clearq.storage.memory import MemoryServer, MemoryStorage

#: Declared dead so many seconds after the last heartbeat at the latest: half a second is left for the rest.
SOON = 14.6


class World:
    """A server, holders that beat and reapers that look, on clocks that move only when something happens."""

    def __init__(self, storage: MemoryStorage, clock: Callable[[], float]) -> None:
        self.storage = storage
        self.now = 1000.0
        self.skew = 0.0  #: of the server's clock
        self.server_clock = clock
        self.looks: dict[Reaper, float] = {}
        self.beats: list[tuple[float, str]] = []
        self.deaths: dict[str, float] = {}

    def reaper(self, at: float = 1000.0) -> Reaper:
        """One that begins then."""
        reaper = Reaper(self.storage, lambda: self.now)
        self.looks[reaper] = at
        return reaper

    async def holder(self, name: str, *beats: float) -> None:
        """One that registers now and beats at those moments."""
        await self.storage.script("register", "", name, f"label {name}", "q:default")
        self.beats = sorted([*self.beats, *((at, name) for at in beats)])

    async def until(self, end: float) -> None:
        """Let everything happen until then."""
        while True:
            look = min(self.looks, key=lambda reaper: self.looks[reaper], default=None)
            times = [end, *(at for at, _ in self.beats[:1]), *([self.looks[look]] if look else [])]
            self.now = max(self.now, min(times))
            if self.beats and self.beats[0][0] <= self.now:
                await self.storage.script("beat", "", self.beats.pop(0)[1], "", "")
            elif look and self.looks[look] <= self.now < end:
                wait = await look.tick()
                self.looks[look] = self.now + (1.0 if wait is None else wait)
            else:
                return

    async def death(self, name: str, end: float) -> float:
        """When that one was declared dead; infinity if not before ``end``."""
        await self.until(end)
        return self.deaths.get(name, float("inf"))


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    worlds: list[World] = []

    def server_clock() -> float:
        return 1_700_000_000 + worlds[0].now + worlds[0].skew if worlds else 1_700_000_000

    storage = await MemoryStorage.open(Settings(home=tmp_path), MemoryServer(), server_clock)
    command, script = storage.command, storage.script

    async def answer(*arguments: Any, **rest: Any) -> Any:
        if arguments == ("INFO", "server"):
            return {"run_id": "r", "uptime_in_seconds": 3600}
        return await command(*arguments, **rest)

    async def note(name: str, *arguments: Any, **rest: Any) -> Any:
        if name == "reclaim":
            worlds[0].deaths[arguments[1]] = worlds[0].now
        return await script(name, *arguments, **rest)

    monkeypatch.setattr(storage, "command", answer)
    monkeypatch.setattr(storage, "script", note)
    worlds.append(World(storage, server_clock))
    return worlds[0]


@pytest.mark.parametrize("phase", [0.0, 0.02, 0.3, 0.5, 0.77, 0.98])
async def test_death_comes_within_the_window_wherever_the_last_beat_falls_between_two_looks(
    world: World, phase: float
) -> None:
    world.reaper()
    last = 1010.0 + phase
    await world.holder("w", 1005.0, last)
    assert last + 14.5 - 0.02 <= await world.death("w", 1030.0) <= last + SOON


async def test_many_deaths_are_each_in_time(world: World) -> None:
    """Also when a reaper is held up for a while, and when the ends follow each other closely."""
    reaper = world.reaper()
    lasts = {f"w{number}": 1005.0 + random.Random(number).random() * 5 for number in range(20)}
    for name, last in lasts.items():
        await world.holder(name, last)
    await world.until(1008.0)
    world.looks[reaper] = 1011.5
    for name in sorted(lasts, key=lambda name: lasts[name]):
        assert lasts[name] + 14.5 - 0.02 <= await world.death(name, 1030.0) <= lasts[name] + SOON


async def test_a_holder_that_beats_as_asked_lives_whatever_the_load_does_to_one_beat(world: World) -> None:
    """Beats sent every 4.75 s: the third counts, though the two before it did not arrive."""
    world.reaper()
    await world.holder("late", *(1000.0 + 14.25 * number for number in range(1, 6)))
    await world.holder("held up", 1004.75, 1004.75 + 14.3, 1004.75 + 14.3 + 5)
    await world.until(1030.0)
    assert {"late", "held up"} == set(await world.storage.command("HKEYS", world.storage.keys("beats")))


def test_three_heartbeats_fall_within_the_silence_that_is_death() -> None:
    settings = Settings(heartbeat=5.0, dead_after=15.0)
    assert 3 * settings.beat_every < settings.silence < settings.dead_after
    tight = Settings(heartbeat=4.9, dead_after=5.0)
    assert tight.beat_every < tight.heartbeat < tight.silence
    assert Settings(heartbeat=5.0, dead_after=3.0).silence == 3.0


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
@pytest.mark.parametrize("when", [1001.0, 1012.0, 1020.0])
async def test_a_server_clock_that_jumps_kills_nobody_and_spares_the_dead_for_a_look_at_most(
    world: World, jump: float, when: float
) -> None:
    world.reaper()
    await world.holder("dead", 1010.4)
    await world.holder("alive", *(1000.0 + 4.75 * number for number in range(10)))
    await world.holder("slow", *(1000.0 + 13.4 * number for number in range(4)))
    await world.until(when)
    world.skew = jump
    assert 1010.4 + 13.4 <= await world.death("dead", 1030.0) <= 1010.4 + 14.5 + 1.1
    await world.until(1035.0)
    assert {"alive", "slow"} == set(await world.storage.command("HKEYS", world.storage.keys("beats")))


async def test_a_seat_of_the_dead_host_is_taken_in_time(world: World) -> None:
    """All three watchers die with their host; who stood by takes over and still knows in time."""
    dying = [world.reaper(1000.0 + number / 10) for number in range(3)]
    await world.holder("w", *(1000.0 + 4.75 * number for number in range(5)))
    await world.until(1000.5)
    world.reaper(1000.6)
    await world.holder("other", *(1002.0 + 4.75 * number for number in range(9)))
    await world.until(1020.0)
    for reaper in dying:
        del world.looks[reaper]
    assert 1019.0 + 14.4 <= await world.death("w", 1040.0) <= 1019.0 + SOON


@pytest.mark.parametrize("killed", [1009.51, 1011.0, 1013.0, 1014.2])
async def test_who_is_started_only_after_the_death_knows_in_time(world: World, killed: float) -> None:
    """The dead host's own watch leaves traces, so that its last heartbeat may be believed at any moment of its beat."""
    dying = world.reaper()
    await world.holder("w", 1000.0, 1004.75, 1009.5)
    await world.until(killed)
    del world.looks[dying]
    await world.until(killed + 4)
    world.reaper(killed + 4)
    await world.holder("new", *(killed + 4 + 4.75 * number for number in range(9)))
    assert 1009.5 + 14.4 <= await world.death("w", 1040.0) <= 1009.5 + SOON
