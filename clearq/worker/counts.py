"""What the processes of a worker have counted: kept for its own endpoint, and told to the server."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from clearq.engine import Engine
from clearq.engine.tally import Batch, Tally
from clearq.errors import StorageError
from clearq.worker.brood import Child

log = logging.getLogger("clearq.worker")

#: Seconds between two accounts: one command then, however many functions ran.
EVERY = 10.0


class Family(Protocol):
    """What is needed of a parent."""

    children: dict[int, Child]

    @property
    def engine(self) -> Engine:
        """Its connection."""


class Counts:
    """Sums over all children of one parent, those that have died included."""

    def __init__(self) -> None:
        self.own = Tally()  #: since the start
        self._untold = Tally()
        self._leaving: deque[Batch] = deque()

    async def run(self, family: Family) -> None:
        """Tell the server now and then, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.tell(family)

    async def tell(self, family: Family, *, patience: float = 2.0) -> None:
        """Tell what is new; what the server did not take goes with the next account."""
        self.collect(family.children)
        holder = next((child.holder for child in family.children.values() if child.holder), "")
        if holder:
            self._leaving += family.engine.tallies.batches(holder, self._untold.take())
        try:
            while self._leaving:
                await family.engine.tallies.push(self._leaving[0], patience=patience)
                self._leaving.popleft()
        except StorageError as error:
            log.debug("counts were not told: %s", error)

    def collect(self, children: Mapping[int, Child]) -> None:
        """Take what the children have counted."""
        for child in children.values():
            self.take(child)

    def take(self, child: Child) -> None:
        """Take what one of them has counted."""
        rows = child.tally.take()
        self.own.add(rows)
        self._untold.add(rows)
