"""A seat: a duty that one process has at a time, held by a key that expires."""

from __future__ import annotations

from clearq.storage import Storage


class Seat:
    """One process's claim to ``duty:<name>``. ``lifetime``: seconds after its last :meth:`keep` that others wait."""

    def __init__(self, storage: Storage, name: str, me: str, lifetime: float) -> None:
        self._storage = storage
        self.key = storage.keys("duty", name)
        self._me = me
        self._lifetime = int(lifetime * 1000)
        self._held = False

    async def keep(self, patience: float | None = None) -> bool:
        """Take it, or keep it for another lifetime. True while it is ours."""
        self._held = (self._held and await self._renew(patience)) or await self._take(patience)
        return self._held

    async def _renew(self, patience: float | None) -> bool:
        mine = bool(await self._storage.command("GET", self.key, patience=patience) == self._me)
        if mine:
            await self._storage.command("PEXPIRE", self.key, self._lifetime, patience=patience)
        return mine

    async def _take(self, patience: float | None) -> bool:
        arguments = ("SET", self.key, self._me, "NX", "PX", self._lifetime)
        taken = await self._storage.command(*arguments, patience=patience)
        return bool(taken) or await self._renew(patience)  # a repeat whose first answer was lost
