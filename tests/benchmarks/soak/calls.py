"""The calls that the soak makes: one coroutine a kind, each checks what its kind promises."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from clearq.errors import FunctionFailed
from clearq.functions.declare import Request
from clearq.functions.handle import Handle
from tests.benchmarks.soak import app as tasks
from tests.benchmarks.soak.app import KEEP, Told
from tests.benchmarks.soak.ledger import Ledger

#: Seconds within which a call must end, whatever is killed and however busy the machine is.
WITHIN = 180.0

#: Of the limit of one.
KEYS = ("a", "b", "c", "d")


@dataclass
class Calls:
    """Makes calls of all kinds."""

    ledger: Ledger
    chance: random.Random

    async def one(self) -> None:
        """One of some kind, to its end."""
        kinds: dict[Callable[[], Awaitable[None]], int] = {
            self.loop: 30,
            self.sleeps: 10,
            self.bulk: 2,
            self.thread: 10,
            self.process: 6,
            self.retried: 6,
            self.delayed: 8,
            self.unique: 8,
            self.dependent: 6,
            self.limited: 10,
            self.stopped: 4,
        }
        [kind] = self.chance.choices(list(kinds), list(kinds.values()))
        await kind()

    async def loop(self) -> None:
        number = self.ledger.number()
        await self._ended(number, await tasks.loop.enqueue(number))

    async def sleeps(self) -> None:
        number = self.ledger.number()
        await self._ended(number, await tasks.sleeps.enqueue(number))

    async def thread(self) -> None:
        number = self.ledger.number()
        await self._ended(number, await tasks.thread.enqueue(number))

    async def process(self) -> None:
        number = self.ledger.number()
        await self._ended(number, await tasks.process.enqueue(number))

    async def bulk(self) -> None:
        numbers = [self.ledger.number() for _ in range(30)]
        handles = await tasks.app.enqueue_many(tasks.loop.call(number) for number in numbers)
        await asyncio.gather(*(self._ended(*pair) for pair in zip(numbers, handles, strict=True)))

    async def retried(self) -> None:
        number = self.ledger.number()
        await self._ended(number, await tasks.second.enqueue(number), starts=2)

    async def delayed(self) -> None:
        number, delay = self.ledger.number(), self.chance.uniform(0.1, 3.0)
        told = await self._ended(number, await tasks.loop.options(delay=delay).enqueue(number))
        if told is not None and told["after"] < delay - 0.002:
            self.ledger.fault("early", f"call {number} started after {told['after']:.3f} s, not {delay:.3f}")

    async def unique(self) -> None:
        """Two at the same time, with one key: one task."""
        number = self.ledger.number()
        first, second = await tasks.app.enqueue_many([tasks.only.call(number), tasks.only.call(number)])
        if first.id != second.id:
            self.ledger.fault("doubled", f"call {number} was enqueued twice under one unique key")
        await self._ended(number, first)

    async def dependent(self) -> None:
        parent, child = self.ledger.number(), self.ledger.number()
        handle = await tasks.loop.enqueue(parent)
        waiting = await tasks.child.enqueue(handle.as_argument(), child)
        await asyncio.gather(self._ended(parent, handle), self._ended(child, waiting))

    async def limited(self) -> None:
        number, key = self.ledger.number(), self.chance.choice(KEYS)
        await self._ended(number, await tasks.limited.enqueue(number, key))

    async def stopped(self) -> None:
        """Stopped before it is due: it never starts."""
        number = self.ledger.number()
        request = tasks.loop.options(delay=30.0).call(number)
        # Nobody has read its declaration when it ends: the lifetime must travel.
        handle = await self._enqueue(request, keep=str(KEEP * 1000))
        await handle.stop("not needed")
        try:
            await handle.result(WITHIN)
        except FunctionFailed as error:
            if error.status == "stopped":
                self.ledger.ended(number, 0, 0)
                return
        self.ledger.fault("failed", f"call {number} was stopped before it was due, and yet it ran")

    async def _enqueue(self, request: Request[Told], **extra: str) -> Handle[Told]:
        """With fields that only the engine knows."""
        call = request.call._replace(extra={**request.call.extra, **extra})
        return request.handle(await (await tasks.app.engine()).functions.enqueue(call))

    async def _ended(self, number: int, handle: Handle[Told], starts: int = 1) -> Told | None:
        try:
            told = await handle.result(WITHIN)
        except Exception as error:  # whatever it is: it should have ended well
            self.ledger.fault("failed", f"call {number}: {type(error).__name__}: {error}")
            return None
        if told["number"] != number:
            self.ledger.fault("failed", f"call {number} was answered with the result of {told['number']}")
        if told["overlap"]:
            self.ledger.fault("overlap", f"call {number} ran against its limit or its parent's result")
        self.ledger.ended(number, starts, told["losses"])
        return told
