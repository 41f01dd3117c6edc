"""Attempts: from the claim to the end, every step under its fence."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from clearq.engine import codec
from clearq.engine.answers import conflict, stale
from clearq.engine.ids import nonce
from clearq.models.attempt import BY_HAND, Claim
from clearq.models.status import Stage, Status
from clearq.models.task import Task, TaskSpec
from clearq.storage import Storage

Next = Literal["queued", "failed", "stopped"]


@dataclass(frozen=True)
class RunByHand:
    """A run that was started by hand and has not ended, and what proves that its process is gone."""

    task_id: str
    fence: str
    boot_id: str
    process: str  #: as it was given to :meth:`Attempts.begin`


class Attempts:
    """What the holder of an attempt reports.

    Each call may be repeated; each raises Stale when the fence is old.
    """

    def __init__(self, storage: Storage, chance: random.Random | None = None) -> None:
        self._storage = storage
        self._chance = chance or random.Random()

    async def start(self, task_id: str, fence: str, holder_id: str) -> Task:
        """The supervisor takes the attempt over from its agent; user code may run only after this."""
        answer = await self._fenced("start", task_id, fence, holder_id)
        return codec.decode_task(task_id, codec.flat_to_dict(answer[1]))

    async def stage(self, task_id: str, fence: str, stage: Stage) -> None:
        """Say what the attempt is doing."""
        await self._fenced("stage", task_id, fence, stage)

    async def complete(
        self,
        task_id: str,
        fence: str,
        *,
        exit_code: int | None = 0,
        reason: str = "",
        message: str = "",
        result: bytes = b"",
    ) -> None:
        """It did what it should; a function's ``result`` is kept with the task."""
        await self._finish(task_id, fence, "completed", reason, message, exit_code, result)

    async def stopped(
        self,
        task_id: str,
        fence: str,
        *,
        exit_code: int | None = None,
        reason: str = "",
        message: str = "",
        error: bytes = b"",
    ) -> None:
        """It ended because it was asked to."""
        await self._finish(task_id, fence, "stopped", reason, message, exit_code, error)

    async def fail(
        self,
        task_id: str,
        fence: str,
        *,
        exit_code: int | None = None,
        reason: str,
        message: str = "",
        final: bool = False,
        error: bytes = b"",
        pause: float | None = None,
    ) -> Next:
        """It failed. Answers ``queued`` when another attempt follows (after its pause), else ``failed``.

        ``final``: no retry can mend it. ``error``: a function's, kept with the task. ``pause``: seconds before the
        next attempt, instead of the task's own.
        """
        answer = await self._fenced(
            "fail",
            task_id,
            fence,
            reason,
            message,
            _code(exit_code),
            f"{self._chance.random():.6f}",
            "1" if final else "",
            error,
            "" if pause is None else str(int(pause * 1000)),
        )
        return _next(answer[0])

    async def release(self, task_id: str, fence: str, *, reason: str = "", pause: float | None = None) -> Next:
        """Hand it back unharmed: same place in the queue, no attempt counted.

        With ``pause`` it waits that many seconds before it may be claimed again.
        """
        wait = "" if pause is None else str(int(pause * 1000))
        return _next((await self._fenced("release", task_id, fence, reason, wait))[0])

    async def lose(self, task_id: str, fence: str, *, proof: str) -> Next:
        """Its supervisor is proven dead and its process tree gone: run it again, within its own budget."""
        return _next((await self._fenced("lose", task_id, fence, proof))[0])

    async def rejoin(self, task_id: str, fence: str, holder_id: str) -> bool:
        """Back after having been declared dead: True when the attempt is still ours."""
        answer = await self._storage.script("rejoin", "", task_id, fence, holder_id)
        return bool(answer[0] == "ok")

    async def begin(
        self,
        spec: TaskSpec,
        *,
        id: str,
        holder_id: str,
        label: str = "",
        host_id: str = "",
        boot_id: str = "",
        process: str = "",
        request: str | None = None,
    ) -> Claim:
        """A run by hand: the task is made (or an ended one begun anew) as ``in_progress``, its own holder.

        ``process`` names its process among all that this boot of the host has seen. ``request`` makes a repeat
        harmless. Raises StatusConflict when the task waits or runs.
        """
        fields = codec.encode_spec(spec) | ({"process": process} if process else {})
        flat = codec.dict_to_flat(fields)
        answer = await self._storage.script(
            "begin", "", id, holder_id, request or nonce(), label, host_id, boot_id, *flat
        )
        if answer[0] == "conflict":
            raise conflict(id, answer[1], "begun")
        stored = await self._storage.command("HGETALL", self._storage.keys("t", id))
        return Claim(task=codec.decode_task(id, stored), fence=answer[1], holder=holder_id)

    async def free_gpus(self, host_id: str, task_id: str, fence: str) -> int:
        """The cards of an ended attempt were seen clean. Returns how many were set free."""
        return int((await self._storage.script("free_gpus", host_id, task_id, fence))[1])

    async def gpus(self, host_id: str) -> dict[str, str]:
        """GPU UUID to ``<task id> <fence>`` or ``draining <task id> <fence>``; free cards are not listed."""
        held: dict[str, str] = await self._storage.command("HGETALL", self._storage.keys("gpus", host_id))
        return held

    async def by_hand(self, host_id: str) -> list[RunByHand]:
        """The runs by hand of a host that have not ended, silent ones included."""
        keys = self._storage.keys
        ids = list(await self._storage.command("ZRANGE", keys("lost"), 0, -1))
        for holder in await self._hands():
            ids += await self._storage.command("HKEYS", keys("own", holder))
        names = ("status", "manual", "host_id", "fence", "boot_id", "process")
        rows = await self._storage.commands([("HMGET", keys("t", id), *names) for id in ids])
        return [
            RunByHand(id, fence, boot_id or "", process or "")
            for id, (status, manual, host, fence, boot_id, process) in zip(ids, rows, strict=True)
            if status == Status.IN_PROGRESS and manual and host == host_id and fence
        ]

    async def _hands(self) -> list[str]:
        """Holders that are runs by hand. Few of many: the server looks for them."""
        cursor, found = "0", set[str]()
        while True:
            arguments = (self._storage.keys("beats"), cursor, "MATCH", f"{BY_HAND}:*", "COUNT", 1000)
            cursor, holders = await self._storage.command("HSCAN", *arguments)
            found.update(holders)
            if str(cursor) == "0":
                return sorted(found)

    async def _finish(
        self, task_id: str, fence: str, status: str, reason: str, message: str, exit_code: int | None, payload: bytes
    ) -> None:
        answer = await self._fenced("finish", task_id, fence, status, reason, message, _code(exit_code), payload)
        if answer[0] in (Status.QUEUED, Status.CREATED):
            # The fence is the newest, yet the attempt was taken back from a silent holder: this end is not recorded.
            raise stale(task_id, fence)

    async def _fenced(self, script: str, task_id: str, fence: str, *arguments: str | bytes) -> list[Any]:
        answer: list[Any] = await self._storage.script(script, "", task_id, fence, *arguments)
        if answer[0] == "stale":
            raise stale(task_id, fence)
        return answer


def _code(exit_code: int | None) -> str:
    return "" if exit_code is None else str(exit_code)


def _next(word: str) -> Next:
    match word:
        case "queued":
            return "queued"
        case "stopped":
            return "stopped"
    return "failed"
