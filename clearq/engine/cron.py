"""Cron: rules that enqueue a function at each slot, exactly once however many processes watch them."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from clearq.engine.answers import unexpected
from clearq.engine.series import server_time
from clearq.engine.slots import check_expression, next_slot
from clearq.errors import UsageError
from clearq.models.queue import slug
from clearq.storage import Storage

log = logging.getLogger("clearq.cron")

Missed = Literal["once", "skip", "all"]

#: Seconds that a slot may be late and still count as met: longer than it takes to replace a dead worker.
LATE = 15.0

#: Seconds between two looks at the server's clock, which may be set.
LONGEST_SLEEP = 30.0

#: Slots of one rule that one call runs at most; the next call goes on.
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class CronRule:
    """Enqueue ``function`` at each slot of ``expression`` (five or six fields, as croniter reads them).

    Daylight saving: a rule with ``*`` in its hour field follows real time (each half hour is a half hour). One with
    fixed hours runs once a day: what falls into an hour that is left out runs late by the jump, and an hour that
    comes twice counts the first time.
    """

    name: str
    function: str
    expression: str
    tz: str = "UTC"
    missed: Missed = "once"  #: slots that passed while no worker ran: run one late, none, or all
    args: bytes = b"[]"
    queue: str = "default"
    priority: int = 0
    extra: Mapping[str, str] = field(default_factory=dict)  #: as in a Call: app, unique, unique.mode, options ...

    @property
    def revision(self) -> str:
        """A word that changes with the definition."""
        parts = [self.function, self.expression, self.tz, self.missed, self.args.hex(), self.queue, str(self.priority)]
        parts += [f"{name}={value}" for name, value in sorted(self.extra.items())]
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]

    def next_slot(self, after: float) -> float:
        """The first slot after that moment (seconds since the epoch). Raises UsageError."""
        return next_slot(self.expression, self.tz, after)

    def plain(self) -> dict[str, Any]:
        """As JSON can carry it."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"args": self.args.decode("latin-1"), "extra": dict(self.extra)}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> CronRule:
        """The reverse of :meth:`plain`."""
        return cls(**{**values, "args": str(values["args"]).encode("latin-1")})


def checked(rule: CronRule) -> CronRule:
    """The same rule. Raises UsageError for one that cannot be kept."""
    check_expression(rule.expression, rule.tz)
    if rule.missed not in ("once", "skip", "all"):
        raise UsageError(f"missed={rule.missed!r}: it is once, skip or all.")
    if not rule.name or "after" in rule.extra:
        raise UsageError("A cron rule needs a name, and a function that waits for no other task.")
    return rule


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about a rule whose slot has come."""

    run: float | None  #: the slot to run; None: pass over the missed ones
    following: float


def plan(missed: Missed, slot: float, now: float, follow: Callable[[float], float]) -> Step:
    """``slot`` stands in the table and is not after ``now``; ``follow`` gives the slot after a moment.

    A slot is missed when it is more than :data:`LATE` seconds old. Missed ones run all, or the first of them
    (``once``), or none (``skip``); where one that is not missed has come as well, that is the one late run.
    """
    if missed == "all" or now - slot <= LATE:
        return Step(slot, follow(slot))
    fresh = follow(now - LATE - 0.001)
    if fresh <= now:
        return Step(fresh, follow(fresh))
    return Step(slot if missed == "once" else None, fresh)


def task_id(name: str, slot: float) -> str:
    """The id of the task that runs a rule's slot: the same whoever enqueues it."""
    return hashlib.sha256(f"cron\x00{name}\x00{_ms(slot)}".encode()).hexdigest()[:32]


class Cron:
    """The engine's verbs for cron rules. ``clock`` stands in for the server's in tests."""

    def __init__(self, storage: Storage, clock: Callable[[], float] | None = None) -> None:
        self._storage = storage
        self._clock = clock

    async def now(self) -> float:
        """Seconds since the epoch by the server's clock."""
        return await server_time(self._storage) if self._clock is None else self._clock()

    def _given_time(self) -> str | int:
        return "" if self._clock is None else _ms(self._clock())

    async def define(self, rule: CronRule, since: float, now: float) -> bool:
        """Make ``rule`` known, as a worker that runs ``since`` then declares it. False: a later one knows better."""
        flat = [part for pair in _fields(rule).items() for part in pair]
        slot = rule.next_slot(now)
        while True:
            answer = await self._storage.script(
                "cron_set", self._given_time(), rule.name, rule.revision, _ms(since), _ms(slot), *flat
            )
            match answer:
                case ["set" | "kept", *_]:
                    return True
                case ["older"]:
                    return False
                case ["passed", last]:
                    slot = rule.next_slot(int(last) / 1000)
                case _:
                    raise unexpected("cron_set", answer)

    async def slots(self, names: Sequence[str]) -> list[float | None]:
        """The next slot of each rule (seconds since the epoch); None: there is no such rule."""
        found = await self._storage.commands([("ZSCORE", self._storage.keys("cron"), name) for name in names])
        return [None if slot is None else float(slot) / 1000 for slot in found]

    async def fire(self, rule: CronRule, slot: float, step: Step) -> str:
        """Try to run a slot: ``fired``, ``skipped``, ``early``, ``moved``, ``changed`` or ``gone``."""
        run = "" if step.run is None else _ms(step.run)
        id = task_id(rule.name, slot if step.run is None else step.run)
        answer = await self._storage.script(
            "cron_fire", self._given_time(), rule.name, rule.revision, _ms(slot), run, _ms(step.following), id
        )
        return str(answer[0])

    async def remove(self, name: str) -> bool:
        """Forget a rule. A worker that still declares it defines it anew."""
        gone, _ = await self._storage.commands(
            [("ZREM", self._storage.keys("cron"), name), ("DEL", self._storage.keys("cron", name))]
        )
        return bool(gone)


class CronWatch:
    """One process's share: :meth:`tick` in a loop. Every worker that declares rules may watch them."""

    def __init__(self, cron: Cron, rules: Sequence[CronRule]) -> None:
        self._cron = cron
        self._rules = {rule.name: rule for rule in rules}
        self._defined: set[str] = set()
        self._since: float | None = None

    async def tick(self) -> float | None:
        """Run what has come; answers the seconds until the next slot."""
        now = await self._cron.now()
        if self._since is None:
            self._since = now
        for rule in [rule for name, rule in self._rules.items() if name not in self._defined]:
            await self._define(rule, self._since, now)
        wait = LONGEST_SLEEP
        names = list(self._rules)
        for name, slot in zip(names, await self._cron.slots(names), strict=True):
            if slot is None:
                self._defined.discard(name)  # the data is gone: define it again
                wait = min(wait, 1.0)
            elif slot > now:
                wait = min(wait, slot - now)
            else:
                wait = min(wait, await self._run(self._rules[name], slot, now))
        return wait

    async def _define(self, rule: CronRule, since: float, now: float) -> None:
        if await self._cron.define(rule, since, now):
            self._defined.add(rule.name)
        else:
            self._leave(rule)

    async def _run(self, rule: CronRule, slot: float, now: float) -> float:
        """Run what has come of one rule; seconds until its next slot."""
        if now - slot > LATE:
            log.warning("cron rule %s: slots were missed since %s", rule.name, _text(slot))
        for _ in range(AT_ONCE):
            step = plan(rule.missed, slot, now, rule.next_slot)
            match await self._cron.fire(rule, slot, step):
                case "fired" | "skipped":
                    slot = step.following
                case "changed":
                    self._leave(rule)
                    return math.inf
                case "moved":
                    return 0.0  # somebody was faster: look again
                case _:
                    return 1.0  # the server's clock was set back, or the rule was removed
            if slot > now:
                return slot - now
        return 0.0

    def _leave(self, rule: CronRule) -> None:
        log.warning(
            "cron rule %s: a worker that began later defined it otherwise and runs it; here it is left alone", rule.name
        )
        del self._rules[rule.name]
        self._defined.discard(rule.name)


def _fields(rule: CronRule) -> dict[str, bytes | str | int]:
    fields: dict[str, bytes | str | int] = {
        "fn": rule.function,
        "args": rule.args,
        "queue": rule.queue,
        "slug": slug(rule.queue),
        "expression": rule.expression,
        "tz": rule.tz,
        "missed": rule.missed,
    }
    if rule.priority:
        fields["priority"] = rule.priority
    return fields | {f"with.{name}": value for name, value in rule.extra.items()}


def _ms(moment: float) -> int:
    return round(moment * 1000)


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
