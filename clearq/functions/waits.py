"""Waiting for functions: one bell for all that a process waits for, heard before it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clearq.engine.calls import State
from clearq.errors import StorageError, StorageUnavailable
from clearq.models.ids import nonce

if TYPE_CHECKING:
    from clearq.engine import Engine

log = logging.getLogger("clearq.functions")

#: Seconds after which everything is asked for again, bell or not.
SWEEP = 30.0
#: Ids asked for at once.
SLICE = 500
#: A bell says only "look". Looking for many costs, so many wait a little longer: so many seconds for each.
PAUSE_EACH = 10e-6
PAUSE_MOST = 0.25
#: Shorter ones are not made: a loop's timers are rounded up to a millisecond.
PAUSE_LEAST = 1e-3


class Waits:
    """The waiting handles of one client.

    A script registers the client as a waiter and answers what has ended, in one step; whatever ends later rings the
    client's bell. So no end is missed between looking and listening, and a lost bell costs one sweep.
    """

    def __init__(self, engine: Engine) -> None:
        self.name = f"client.{nonce()}"
        self._engine = engine
        self._waiting: dict[str, list[asyncio.Future[State]]] = {}
        self._new: list[str] = []
        self._wanted = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()

    def watch(self, id: str) -> asyncio.Future[State]:
        """A future of the task's state once it has ended (or is not known: status ''). Cancel it to stop waiting."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[State] = loop.create_future()
        known = self._waiting.get(id)
        if known is not None:
            known.append(future)
            return future
        self._waiting[id] = [future]
        if not self._new:
            loop.call_soon(self._begin)
        self._new.append(id)
        return future

    async def wait(self, id: str, timeout: float | None = None) -> State:
        """Until it has ended. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self.watch(id)

    async def close(self) -> None:
        """Stop listening; whoever waits is cancelled."""
        tasks = [*self._asking, *([self._listener] if self._listener else [])]
        self._listener = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for futures in self._waiting.values():
            for future in futures:
                future.cancel()
        self._waiting.clear()

    def _begin(self) -> None:
        new, self._new = self._new, []
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen(), name="clearq:waits")
        self._wanted.set()
        task = asyncio.create_task(self._first_look(new))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _first_look(self, new: list[str]) -> None:
        while new:
            try:
                return await self._look(new, register=True)
            except StorageUnavailable as error:
                log.debug("waiting for results: %s", error)
                await asyncio.sleep(0.5)
                new = [id for id in new if id in self._waiting]
            except Exception as error:  # noqa: BLE001  # whatever it is, it is for those who wait
                for id in new:
                    for future in self._waiting.pop(id, []):
                        if not future.done():
                            future.set_exception(error)
                return None
        return None

    async def _listen(self) -> None:
        register = told = cut = False
        word = b""
        while True:
            if not told:
                self._forget_cancelled()
            if not self._waiting and not word:  # who has waited will soon wait again: it listens on for a while
                self._wanted.clear()
                await self._wanted.wait()
            try:
                # A cut line may have carried a word: look before listening again.
                word = b"" if cut else await self._engine.workers.wait_bell(self.name, SWEEP)
                cut = False
                if told := len(word) > 1:
                    self._told(word)
                    continue
                register = register or not word
                pause = len(self._waiting) * PAUSE_EACH
                if pause > PAUSE_LEAST:
                    await asyncio.sleep(min(PAUSE_MOST, pause))
                self._forget_cancelled()
                await self._look(list(self._waiting), register=register)
                register = False
            except StorageError as error:
                log.debug("waiting for results: %s", error)
                cut, told, word = True, False, b""
                await asyncio.sleep(0.5)
            except Exception:  # a listener that dies would leave all handles waiting for ever
                log.exception("waiting for results failed")
                await asyncio.sleep(1.0)

    def _told(self, word: bytes) -> None:
        """The bell itself brings a result: id, status and all the rest."""
        id, status, result = word.split(b" ", 2)
        self._hand_out(id.decode(), State(status.decode(), result, b"", ""))

    def _hand_out(self, id: str, state: State) -> None:
        for future in self._waiting.pop(id, []):
            with contextlib.suppress(asyncio.InvalidStateError):
                future.set_result(state)

    async def _look(self, ids: Sequence[str], *, register: bool) -> None:
        for start in range(0, len(ids), SLICE):
            some = ids[start : start + SLICE]
            states = await self._engine.functions.states(some, self.name if register else "")
            for id, state in zip(some, states, strict=True):
                if state.ended:
                    self._hand_out(id, state)

    def _forget_cancelled(self) -> None:
        gone = [id for id, futures in self._waiting.items() if all(future.done() for future in futures)]
        for id in gone:
            del self._waiting[id]
