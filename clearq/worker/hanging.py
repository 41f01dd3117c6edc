"""Processes that hang, as code that blocks the loop makes them: what was given to them unasked goes to others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable

from clearq.clock import boottime
from clearq.engine.functions import Functions
from clearq.errors import StorageError
from clearq.worker.brood import Child

log = logging.getLogger("clearq.worker")

#: Seconds between two looks.
LOOK = 0.25

#: Seconds without a sign after which a process hangs; it gives one every quarter of a second.
HANGS_AFTER = 0.75

#: Seconds until it is asked for again while it hangs: a question of its own may have been on its way.
AGAIN = 1.0


class Hanging:
    """Watches the children's pages. :meth:`run` until cancelled."""

    def __init__(self, functions: Functions, children: Callable[[], Iterable[Child]]) -> None:
        self._functions, self._children = functions, children
        self._asked: dict[str, float] = {}  #: by holder

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            now = boottime()
            hanging = [child for child in self._children() if _hangs(child, now)]
            self._let_look(hanging)
            for child in hanging:
                if now - self._asked.get(child.holder, 0.0) >= AGAIN:
                    self._asked[child.holder] = now
                    await self._withdraw(child)

    def _let_look(self, hanging: Collection[Child]) -> None:
        """Those that hang no longer are woken for nothing until they have looked themselves: tell them to."""
        still = {child.holder for child in hanging}
        for child in self._children():
            if child.holder in self._asked and child.holder not in still and not child.ended.is_set():
                child.say("look", work=True)
        self._asked = {holder: at for holder, at in self._asked.items() if holder in still}

    async def _withdraw(self, child: Child) -> None:
        try:
            last, _ = await self._functions.withdraw(child.holder)
            if child.ended.is_set():
                return
            # First say up to where it is withdrawn, then look what was taken (see Gifts).
            child.page.withdrawn = last
            taken = child.page.taken
            if taken >= last:
                return
            _, back = await self._functions.withdraw(child.holder, taken, last)
        except StorageError as error:
            log.debug("nothing is taken back from a process that hangs: %s", error)
            return
        if back:
            log.info("%s hangs; %d functions that were given to it go to others", child.label, back)


def _hangs(child: Child, now: float) -> bool:
    return bool(child.holder) and not child.ended.is_set() and 0 < child.page.sign < now - HANGS_AFTER
